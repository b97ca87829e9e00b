#include "registry_connection.hpp"

#include <unistd.h>

#include <chrono>
#include <iostream>

#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::tools {

void Connection::add_to(Command command) {
  command.add_flag("--plain-http", options.plain_http, "Speak plain HTTP (loopback is spoken to so anyway)");
  command.add_flag("--tls", options.tls, "Speak TLS to loopback too");
  command.add_option("--auth-file", auth_file,
                     "Credentials, as Docker's config.json (default: where Docker looks)");
  command.add_option("--certs", certificates, "A directory like /etc/docker/certs.d, instead of it");
  command.add_option("--timeout", timeout, "Without any progress a connection is lost").show_default();
  command.add_option("--retries", retries, "Further attempts at what fails for a time").show_default();
  command.add_option("--threads", options.threads, "Blobs at once").show_default();
}

registry::Client Connection::client(const std::string& work) const {
  registry::ClientOptions result = options;
  result.auth_file = auth_file;
  const auto seconds = parse_duration(timeout);
  if (!seconds || *seconds == 0)
    throw UsageError("--timeout: expected a length of time, found \"" + timeout + '"');
  result.http.idle_timeout = std::chrono::seconds(*seconds);
  result.http.connect_timeout = std::min(result.http.connect_timeout, result.http.idle_timeout);
  result.http.request_timeout = std::min(result.http.request_timeout, 4 * result.http.idle_timeout);
  result.http.retry.attempts = retries + 1;
  for (const std::string& directory : certificates)
    result.http.certificate_directories.emplace_back(directory);
  if (result.threads == 0) result.threads = 1;
  if (!work.empty()) result.progress = std::make_shared<Progress>(STDERR_FILENO, work);
  return registry::Client(result);
}

std::optional<oci::Platform> parse_platform(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto parts = split(text, '/');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty())
    throw UsageError("--platform: expected <os>/<architecture>[/<variant>], found \"" + text + '"');
  return oci::Platform{.os = std::string(parts[0]),
                       .architecture = std::string(parts[1]),
                       .variant = parts.size() > 2 ? std::string(parts[2]) : ""};
}

void print(const OrderedJson& json) {
  std::cout << json.dump(2, ' ', false, OrderedJson::error_handler_t::replace) << "\n";
}

}  // namespace bottle::tools
