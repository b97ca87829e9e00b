// SPDX-License-Identifier: Apache-2.0
#include "registry/session.hpp"

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::size_t kMaximumSummary = 300;

HttpOptions with_defaults(HttpOptions options) {
  if (options.certificate_directories.empty()) {
    // The first that has a directory for the registry counts: the user's own before the system's, as with
    // containers/image. Docker without root has its own beside its configuration.
    const std::string home = environment::value(environment::kHome);
    const std::string configuration = environment::value(environment::kXdgConfigHome);
    if (!home.empty())
      options.certificate_directories.emplace_back(fs::path(home) / ".config/containers/certs.d");
    if (!configuration.empty() || !home.empty())
      options.certificate_directories.emplace_back(
          (configuration.empty() ? fs::path(home) / ".config" : fs::path(configuration)) / "docker/certs.d");
    for (const char* directory : {"/etc/containers/certs.d", "/etc/docker/certs.d"})
      options.certificate_directories.emplace_back(directory);
  }
  return options;
}

RouteOptions route_options(const ClientOptions& options) {
  const bool chosen = !options.http.certificate_directories.empty();
  return {.plain_http = options.plain_http,
          .tls = options.tls,
          .certificate_directories = with_defaults(options.http).certificate_directories,
          .hosts_directories = chosen
                                   ? options.http.certificate_directories
                                   : std::vector<fs::path>{"/etc/containerd/certs.d", "/etc/docker/certs.d"}};
}

}  // namespace

std::string error_summary(std::string_view body) {
  std::string summary;
  try {
    const Json document = parse_json(body, "answer");
    if (!document.is_object() || !document.contains("errors") || !document["errors"].is_array()) return {};
    for (const Json& error : document["errors"]) {
      if (!error.is_object() || summary.size() > kMaximumSummary) continue;
      std::string line;
      for (const char* name : {"code", "message"})
        if (const auto found = error.find(name); found != error.end() && found->is_string())
          line += (line.empty() ? "" : ": ") + found->get<std::string>();
      if (!line.empty()) summary += (summary.empty() ? "" : "; ") + line;
    }
  } catch (const Error&) {
    return {};
  }
  std::string safe;
  for (const char c : summary.substr(0, kMaximumSummary))
    safe += c < ' ' || c == 0x7f ? '?' : c;
  return safe;
}

Session::Session(ClientOptions options)
    : options_(std::move(options)),
      http_(with_defaults(options_.http)),
      authorizer_(options_.auth_file, http_),
      routes_(route_options(options_), http_) {
  options_.http = http_.options();
}

std::string Session::url(const Endpoint& endpoint, const std::string& repository, const std::string& rest) {
  const std::string ns = endpoint.upstream.empty() ? "" : "?ns=" + endpoint.upstream;
  return endpoint.base.origin() + endpoint.api + (repository.empty() ? "" : repository + "/") + rest + ns;
}

Response Session::request(const Endpoint& endpoint, const Scope& scope, Request request) const {
  request.authorization = authorizer_.known(endpoint, scope);
  request.settings = endpoint.settings;
  Response response = http_.request(request);
  // What another host asks for after a redirect is not the registry's question.
  const auto answered = Url::parse(response.url);
  if (response.status != 401 || !answered || !answered->same_origin(endpoint.base)) return response;
  const std::string other = authorizer_.answer(endpoint, scope, response, request.authorization);
  if (other.empty()) return response;
  request.authorization = other;
  return http_.request(request);
}

Response Session::download(const Endpoint& endpoint, const Scope& scope, const std::string& url,
                           const DownloadSink& sink, DownloadOptions options) const {
  options.authorization = authorizer_.known(endpoint, scope);
  options.settings = endpoint.settings;
  const DownloadSink counted = [&](std::span<const std::byte> data) {
    sink(data);
    options.offset += data.size();
  };
  // Http keeps a reference to its options while it works: what it gets is not what is counted.
  for (int refreshes = 0;; ++refreshes) {
    const DownloadOptions current = options;
    Response response = http_.download(url, counted, current);
    const auto answered = Url::parse(response.url);
    if (response.status != 401 || refreshes == 10 || !answered || !answered->same_origin(endpoint.base))
      return response;
    const std::string other = authorizer_.answer(endpoint, scope, response, current.authorization);
    if (other.empty()) return response;
    options.authorization = other;
  }
}

void Session::fail(const Endpoint& endpoint, const Response& response, const std::string& action) const {
  const std::string summary = authorizer_.scrubbed(error_summary(response.body));
  std::string message = "cannot " + action + ": the registry answered " + std::to_string(response.status);
  if (!summary.empty()) message += " (" + summary + ")";
  std::string hint;
  if (response.status == 401 || response.status == 403) {
    hint = "log in with `docker login " + endpoint.registry + "`, or ask for access";
  } else if (response.status == 429) {
    hint = "try again later or log in: the registry limits the rate of requests";
  } else if (response.status == 404) {
    hint = "check the names of the repository and tag";
  }
  throw Error(message, {.where = authorizer_.scrubbed(redacted(response.url)), .hint = hint});
}

}  // namespace bottle::registry
