// SPDX-License-Identifier: Apache-2.0
#include "registry/hosts_toml.hpp"

#include <algorithm>

#include "oci/reference.hpp"
#include "registry/loopback.hpp"
#include "registry/toml.hpp"
#include "util/ascii.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::uint64_t kMaximumHosts = 1u << 20;

// A table of the file that describes a host: the whole document for the server.
class HostTable {
 public:
  HostTable(const OrderedJson& table, std::string url, const fs::path& file, std::string where)
      : table_(table), url_(std::move(url)), directory_(file.parent_path()), where_(std::move(where)) {
    if (!table.is_object()) fail("", "a table");
  }

  RegistryHost host() const {
    RegistryHost host;
    // Without a scheme it is https, and http for loopback.
    const std::string text = url_.find("://") != std::string::npos         ? url_
                             : is_loopback(url_.substr(0, url_.find('/'))) ? "http://" + url_
                                                                           : "https://" + url_;
    auto url = Url::parse(text);
    if (!url || url->target.find('?') != std::string::npos)
      throw Error("expected an http or https URL, found \"" + redacted(escape_word(url_)) + '"',
                  {.where = where_});
    std::string path = url->target;
    while (path.ends_with('/'))
      path.pop_back();
    // containerd takes a path that ends so for the API's.
    host.api = (flag("override_path") || path.ends_with("/v2") ? path : path + "/v2") + "/";
    url->target = "/";
    host.base = std::move(*url);
    read_capabilities(host);
    HostSettings settings;
    const bool tls = read_tls(settings);
    const bool headers = read_headers(settings);
    if (tls || headers) host.settings = std::make_shared<const HostSettings>(std::move(settings));
    return host;
  }

 private:
  [[noreturn]] void fail(const std::string& member, const std::string& expected) const {
    throw Error("expected " + expected, {.where = where_ + (member.empty() ? "" : "." + member)});
  }
  bool flag(const char* name) const {
    const auto found = table_.find(name);
    if (found == table_.end()) return false;
    if (!found->is_boolean()) fail(name, "true or false");
    return found->get<bool>();
  }
  // A string, or an array of strings.
  static std::optional<std::vector<std::string>> strings(const OrderedJson& value) {
    if (value.is_string()) return std::vector{value.get<std::string>()};
    if (!value.is_array()) return std::nullopt;
    std::vector<std::string> result;
    for (const OrderedJson& one : value) {
      if (!one.is_string()) return std::nullopt;
      result.push_back(one.get<std::string>());
    }
    return result;
  }

  void read_capabilities(RegistryHost& host) const {
    const auto found = table_.find("capabilities");
    if (found == table_.end()) return;
    auto words = strings(*found);
    if (!words) fail("capabilities", "an array of \"pull\", \"resolve\" and \"push\"");
    if (words->empty()) return;  // all
    for (std::string& word : *words)
      word = ascii_lower(word);
    const auto has = [&](const char* word) {
      return std::find(words->begin(), words->end(), word) != words->end();
    };
    for (const std::string& word : *words)
      if (word != "pull" && word != "resolve" && word != "push" && word != "referrers")
        fail("capabilities",
             "\"pull\", \"resolve\" or \"push\", found \"" + escape_word(word.substr(0, 100)) + '"');
    host.pull = has("pull");
    host.resolve = has("resolve");
    host.push = has("push");
  }

  // Whether there is anything.
  bool read_tls(HostSettings& tls) const {
    tls.verify = !flag("skip_verify");
    if (const auto found = table_.find("ca"); found != table_.end()) {
      const auto files = strings(*found);
      if (!files) fail("ca", "a file, or an array of files");
      for (const std::string& file : *files)
        tls.authorities.push_back(directory_ / file);
    }
    if (const auto found = table_.find("client"); found != table_.end()) {
      // A file with both, or a pair of certificate and key; of several the first.
      const OrderedJson& first = found->is_array() && !found->empty() ? found->front() : *found;
      const auto files = strings(first);
      if (!files || files->empty() || files->size() > 2)
        fail("client", "a file, or pairs of certificate and key");
      tls.certificate = directory_ / files->front();
      tls.key = files->back().empty() ? tls.certificate : directory_ / files->back();
    }
    return !tls.verify || !tls.authorities.empty() || !tls.certificate.empty();
  }

  bool read_headers(HostSettings& settings) const {
    const auto found = table_.find("header");
    if (found == table_.end()) return false;
    if (!found->is_object()) fail("header", "a table");
    for (const auto& [name, value] : found->items()) {
      const auto texts = strings(value);
      const auto bad = [](unsigned char c) { return c < ' ' || c == 0x7f; };
      if (!texts || name.empty() || name.find(':') != std::string::npos ||
          std::any_of(name.begin(), name.end(), bad))
        fail("header", "header names with string values");
      for (const std::string& text : *texts) {
        if (std::any_of(text.begin(), text.end(), bad)) fail("header", "values without control characters");
        settings.headers.push_back(name + ": " + text);
      }
    }
    return !settings.headers.empty();
  }

  const OrderedJson& table_;
  std::string url_;
  fs::path directory_;
  std::string where_;
};

}  // namespace

HostsFile parse_hosts_toml(std::string_view text, const fs::path& file) {
  const OrderedJson document = parse_toml(text, file.native());
  HostsFile result;
  result.file = file.native();
  if (const auto hosts = document.find("host"); hosts != document.end()) {
    if (!hosts->is_object()) throw Error("expected tables [host.\"URL\"]", {.where = result.file + "#host"});
    for (const auto& [url, table] : hosts->items())
      result.hosts.push_back(
          HostTable(table, url, file, result.file + "#host.\"" + escape_word(url) + '"').host());
  }
  if (const auto server = document.find("server"); server != document.end()) {
    if (!server->is_string()) throw Error("expected a URL", {.where = result.file + "#server"});
    if (server->get_ref<const std::string&>().empty()) return result;
    result.server = HostTable(document, server->get<std::string>(), file, result.file + "#server").host();
  }
  return result;
}

std::optional<HostsFile> find_hosts_toml(const std::vector<fs::path>& directories,
                                         const std::string& registry) {
  std::vector<std::string> names{registry};
  if (const std::size_t colon = registry.rfind(':'); colon != std::string::npos && registry.back() != ']') {
    names.push_back(registry.substr(0, colon) + "_" + registry.substr(colon + 1) + "_");
  }
  names.emplace_back("_default");
  for (const std::string& name : names)
    for (const fs::path& directory : directories) {
      const fs::path file = directory / name / "hosts.toml";
      std::error_code error;  // a directory that is missing or cannot be searched has no settings
      if (!fs::is_regular_file(file, error)) continue;
      return parse_hosts_toml(read_file(file, kMaximumHosts), file);
    }
  return std::nullopt;
}

}  // namespace bottle::registry
