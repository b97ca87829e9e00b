// SPDX-License-Identifier: Apache-2.0
// What templates and the files beside them get from a description.
#include <fmt/format.h>

#include "gate/render.hpp"
#include "util/json.hpp"

namespace bottle::gate {
namespace {

Scope scope_of(const Upstream& upstream) {
  Scope scope;
  scope.values = {{"name", upstream.name},
                  {"url", upstream.url()},
                  {"host", upstream.host},
                  {"port", std::to_string(upstream.port)},
                  {"user", upstream.user},
                  {"repository", upstream.repository},
                  {"max_blob_bytes", std::to_string(upstream.max_blob_bytes)},
                  {"max_push_bytes", std::to_string(upstream.max_push_bytes)},
                  {"max_refs", std::to_string(upstream.max_refs)}};
  scope.flags = {{"allow_force", upstream.allow_force},
                 {"allow_delete", upstream.allow_delete},
                 {"forwarded_agent", upstream.identity.source == UpstreamIdentity::Source::agent}};
  std::vector<Scope>& refs = scope.lists["refs"];
  for (const std::string& pattern : upstream.refs)
    refs.push_back({.values = {{"pattern", pattern}}});
  return scope;
}

// A basic string of TOML 1.0.
std::string toml(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      result += std::string("\\") + c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    else
      result += c;
  }
  return result + "\"";
}

std::string toml(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts)
    list += (list.empty() ? "" : ", ") + toml(text);
  return "[" + list + "]";
}

OrderedJson identity_facts(const Upstream& upstream) {
  const char* source = upstream.identity.source == UpstreamIdentity::Source::file     ? "file"
                       : upstream.identity.source == UpstreamIdentity::Source::secret ? "secret"
                                                                                      : "agent";
  OrderedJson facts{{"name", upstream.name}, {"url", upstream.url()}};
  if (upstream.identity.source == UpstreamIdentity::Source::agent)
    facts["identity"] = {{source, true}};
  else
    facts["identity"] = {{source, upstream.identity.value}};
  return facts;
}

}  // namespace

Scope variables_of(const Description& description, const std::string& slug) {
  Scope scope;
  scope.values = {{"slug", slug},
                  {"listen_address", description.listen_address},
                  {"listen_port", std::to_string(description.listen_port)}};
  scope.item_values = {{"environment", {"variable", "value"}}};
  std::vector<Scope>& environment = scope.lists["environment"];
  for (const auto& [name, value] : description.environment)
    environment.push_back({.values = {{"variable", name}, {"value", value}}});
  if (description.kind == Kind::git) {
    scope.values["scanner_timeout"] = std::to_string(description.scanner.timeout_seconds);
    std::vector<Scope>& upstreams = scope.lists["upstreams"];
    for (const Upstream& upstream : description.upstreams)
      upstreams.push_back(scope_of(upstream));
  } else {
    std::vector<Scope>& hosts = scope.lists["hosts"];
    for (const Host& host : description.hosts)
      hosts.push_back(
          {.values = {{"name", host.name}, {"host", host.host}, {"port", std::to_string(host.port)}}});
    std::vector<Scope>& clients = scope.lists["clients"];
    for (const PublicKey& key : description.clients)
      clients.push_back({.values = {{"key", key.line()}}});
  }
  for (const auto& [name, value] : description.variables)
    scope.values[name] = value;
  return scope;
}

std::string known_hosts_of(const Description& description) {
  const Names names = description.hash_known_hosts ? Names::hashed : Names::plain;
  std::string text;
  const auto add = [&](const std::string& host, std::uint16_t port, const std::vector<PublicKey>& keys) {
    for (const PublicKey& key : keys) {
      const std::string line = known_hosts_line(host, port, key, names) + "\n";
      if (text.find(line) == std::string::npos) text += line;  // two upstreams on one host
    }
  };
  for (const Upstream& upstream : description.upstreams)
    add(upstream.host, upstream.port, upstream.host_keys);
  for (const Host& host : description.hosts)
    add(host.host, host.port, host.host_keys);
  return text;
}

std::string scanner_rules_of(const Description& description) {
  const Scanner& scanner = description.scanner;
  std::string text = "# Rules of gitleaks, made from the gate's description.\ntitle = \"gate\"\n";
  if (scanner.use_default) text += "\n[extend]\nuseDefault = true\n";
  // Each part of what is scanned has a text that this rule finds: a part without such a finding was not
  // scanned.
  text +=
      "\n[[rules]]\nid = \"bottle-gate-canary\"\ndescription = \"proves that a part was scanned\"\n"
      "regex = '''bottle-gate-canary-[0-9a-f]{32}'''\n";
  for (const ScannerRule& rule : scanner.rules) {
    text += fmt::format("\n[[rules]]\nid = {}\ndescription = {}\nregex = {}\n", toml(rule.id),
                        toml(rule.description), toml(rule.regex));
    if (rule.secret_group) text += fmt::format("secretGroup = {}\n", *rule.secret_group);
    if (rule.entropy) text += fmt::format("entropy = {:.6f}\n", *rule.entropy);
    if (!rule.keywords.empty()) text += fmt::format("keywords = {}\n", toml(rule.keywords));
  }
  if (!scanner.allow.empty()) text += fmt::format("\n[allowlist]\nregexes = {}\n", toml(scanner.allow));
  return text;
}

std::string launch_facts_of(const Description& description, const std::string& slug,
                            const std::vector<std::string>& files) {
  OrderedJson json{{"schema", 1}, {"slug", slug}, {"kind", kind_name(description.kind)}};
  json["port"] = description.listen_port;
  json["files"] = files;
  if (description.kind == Kind::git) {
    json["upstreams"] = OrderedJson::array();
    for (const Upstream& upstream : description.upstreams)
      json["upstreams"].push_back(identity_facts(upstream));
  } else {
    json["hosts"] = OrderedJson::array();
    for (const Host& host : description.hosts)
      json["hosts"].push_back({{"name", host.name}, {"host", host.host}, {"port", host.port}});
  }
  return json.dump(2) + "\n";
}

}  // namespace bottle::gate
