// SPDX-License-Identifier: Apache-2.0
#include "gate/description.hpp"

#include <algorithm>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "gate/schema.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

constexpr std::uint64_t kLargestDescription = 4u << 20;

// Every text goes into a script, where it is inert whatever it holds, but a shell cannot hold NUL.
void refuse_nul(const JsonView& view) {
  if (view.value().is_string() && view.string().find('\0') != std::string::npos)
    throw Error("expected text without NUL characters, found one", {.where = view.place()});
  if (view.value().is_array())
    for (const JsonView& element : view.elements())
      refuse_nul(element);
  if (view.value().is_object())
    for (const auto& [name, value] : view.value().items()) {
      if (name.find('\0') != std::string::npos)
        throw Error("expected names without NUL characters, found one", {.where = view.place()});
      refuse_nul(view.at(name));
    }
}

std::uint16_t port_or(const JsonView& view, std::uint16_t fallback) {
  const auto port = view.find("port");
  return port ? static_cast<std::uint16_t>(port->unsigned_number(65535)) : fallback;
}

std::uint64_t number_or(const JsonView& view, const std::string& key, std::uint64_t fallback) {
  const auto number = view.find(key);
  return number ? number->unsigned_number() : fallback;
}

// Null is not a value here: a member is present or absent.
void refuse_null(const JsonView& view) {
  if (view.value().is_null()) view.fail("a value");
  if (view.value().is_array())
    for (const JsonView& element : view.elements())
      refuse_null(element);
  if (view.value().is_object())
    for (const auto& [name, value] : view.value().items()) {
      if (value.is_null()) throw Error("expected a value, found null", {.where = view.place() + "/" + name});
      refuse_null(view.at(name));
    }
}

std::vector<PublicKey> public_keys(const JsonView& view) {
  if (view.value().is_string()) return {parse_public_key(view.string(), view.place())};
  std::vector<PublicKey> keys;
  for (const JsonView& element : view.elements()) {
    PublicKey key = parse_public_key(element.string(), element.place());
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
  }
  return keys;
}

const std::regex& host_pattern() {
  static const std::regex pattern(
      gate_schema().at("definitions").at("hostName").at("pattern").get<std::string>());
  return pattern;
}

// git and ssh refuse such paths themselves or read options in them; and a control character has no place in a
// URL.
void check_repository(const std::string& repository, const std::string& place) {
  if (repository.empty() || repository == "/")
    throw Error("expected the path of a repository, found none", {.where = place});
  if (repository.front() == '-')
    throw Error("expected the path of a repository, found a leading \"-\"", {.where = place});
  for (const char c : repository)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      throw Error("expected the path of a repository, found a control character in it", {.where = place});
}

// Percent escapes of a URL (RFC 3986 section 2.1), as git decodes them.
std::optional<std::string> percent_decoded(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    const auto code = text.size() - i > 2 ? parse_unsigned(text.substr(i + 1, 2), 16) : std::nullopt;
    if (!code || *code == 0) return std::nullopt;
    result += static_cast<char>(*code);
    i += 2;
  }
  return result;
}

std::string percent_encoded(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/._~+-").find(c) != std::string_view::npos;
    if (plain)
      result += c;
    else
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

struct Address {
  std::string user;
  std::string host;
  std::optional<std::uint16_t> port;
  std::string repository;
};

// ssh://[user@]host[:port]/path, or [user@]host:path (git-clone(1), "GIT URLS").
Address parse_url(const JsonView& view) {
  const std::string url = view.string();
  const auto fail = [&](const std::string& found) {
    throw Error("expected ssh://[user@]host[:port]/repository or [user@]host:repository, found " + found,
                {.where = view.place()});
  };
  Address address;
  std::string authority;
  const auto scheme = url.find("://");
  if (scheme != std::string::npos) {
    if (url.substr(0, scheme) != "ssh")
      fail("the scheme \"" + url.substr(0, std::min<std::size_t>(scheme, 20)) +
           "\"; a gate supports SSH only");
    const auto slash = url.find('/', scheme + 3);
    if (slash == std::string::npos) fail("no repository");
    authority = url.substr(scheme + 3, slash - scheme - 3);
    const auto path = percent_decoded(url.substr(slash));
    if (!path) fail("an invalid percent escape");
    address.repository = *path;
    // As git does it: "/~user/x" is below that user's home.
    if (address.repository.substr(0, 2) == "/~") address.repository.erase(0, 1);
  } else {
    const auto bracket = url.find(']');
    const auto colon = url.find(':', bracket == std::string::npos ? 0 : bracket);
    if (colon == std::string::npos || url.find('/') < colon) fail("neither");
    authority = url.substr(0, colon);
    address.repository = url.substr(colon + 1);
    if (address.repository.compare(0, 1, ":") == 0) fail("the name of a transport");
  }
  if (const auto at = authority.rfind('@'); at != std::string::npos) {
    address.user = authority.substr(0, at);
    authority.erase(0, at + 1);
    if (address.user.find(':') != std::string::npos)
      throw Error("expected no password, found one in the URL",
                  {.where = view.place(),
                   .hint = "give an identity instead: the description is part of images and logs"});
    static const std::regex user_pattern("^[A-Za-z0-9_][A-Za-z0-9_.-]*$");
    if (address.user.size() > 64 || !std::regex_search(address.user, user_pattern))
      fail("the invalid user name \"" + address.user.substr(0, 64) + "\"");
  }
  std::string port;
  if (!authority.empty() && authority.front() == '[') {
    const auto close = authority.find(']');
    if (close == std::string::npos) fail("a \"[\" without \"]\"");
    address.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    if (address.host.find(':') == std::string::npos) fail("brackets without an IPv6 address");
  } else {
    const auto colon = authority.find(':');
    address.host = authority.substr(0, colon);
    if (colon != std::string::npos) port = authority.substr(colon);
  }
  if (!port.empty()) {
    const auto number = port.front() == ':' ? parse_unsigned(port.substr(1)) : std::nullopt;
    if (!number || *number == 0 || *number > 65535) fail("the invalid port \"" + port.substr(0, 20) + "\"");
    address.port = static_cast<std::uint16_t>(*number);
  }
  if (address.host.size() > 253 || !std::regex_search(address.host, host_pattern()))
    fail("the invalid host name \"" + address.host.substr(0, 253) + "\"");
  return address;
}

UpstreamIdentity identity(const JsonView& view) {
  if (const auto file = view.find("file")) return {UpstreamIdentity::Source::file, file->string()};
  if (const auto secret = view.find("secret")) return {UpstreamIdentity::Source::secret, secret->string()};
  return {UpstreamIdentity::Source::agent, ""};
}

Upstream upstream(const JsonView& view) {
  Upstream result;
  result.name = view.at("name").string();
  if (const auto url = view.find("url")) {
    for (const char* other : {"host", "port", "user", "repository"})
      if (view.find(other))
        throw Error(fmt::format("expected \"url\" or \"{}\", found both", other), {.where = view.place()});
    const Address address = parse_url(*url);
    result.host = address.host;
    result.port = address.port.value_or(22);
    result.user = address.user.empty() ? "git" : address.user;
    result.repository = address.repository;
    check_repository(result.repository, url->place());
  } else {
    if (!view.find("host") || !view.find("repository"))
      throw Error("expected \"url\", or \"host\" and \"repository\", found neither", {.where = view.place()});
    result.host = view.at("host").string();
    result.port = port_or(view, 22);
    result.user = view.string_or("user", "git");
    result.repository = view.at("repository").string();
    check_repository(result.repository, view.at("repository").place());
  }
  result.identity = identity(view.at("identity"));
  result.host_keys = public_keys(view.at("knownHostKey"));
  result.refs =
      view.find("refs") ? view.at("refs").strings() : std::vector<std::string>{"refs/heads/*", "refs/tags/*"};
  result.allow_force = view.boolean_or("allowForce", false);
  result.allow_delete = view.boolean_or("allowDelete", false);
  result.max_blob_bytes = number_or(view, "maxBlobBytes", 10u << 20);
  result.max_push_bytes = number_or(view, "maxPushBytes", 256u << 20);
  result.max_refs = number_or(view, "maxRefs", 100);
  return result;
}

// What steers the gate's own programs is not for a description to set.
void check_environment_name(const std::string& name, const std::string& place) {
  static const std::regex pattern("^[A-Za-z_][A-Za-z0-9_]*$");
  if (name.size() > 128 || !std::regex_search(name, pattern))
    throw Error("expected the name of an environment variable ([A-Za-z_][A-Za-z0-9_]*), found \"" +
                    name.substr(0, 128) + "\"",
                {.where = place});
  static const std::set<std::string> own{"PATH",   "IFS",       "ENV",      "BASH_ENV", "HOME",
                                         "SHELL",  "SHELLOPTS", "BASHOPTS", "PS4",      "TMPDIR",
                                         "CDPATH", "PWD",       "OLDPWD",   "LC_ALL"};
  static const std::vector<std::string> prefixes{"GIT_", "SSH_", "LD_", "GITLEAKS_", "GATE_", "BASH_FUNC_"};
  const bool reserved =
      own.count(name) > 0 || std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) {
        return name.compare(0, prefix.size(), prefix) == 0;
      });
  if (reserved)
    throw Error("expected a variable that the gate does not use itself, found \"" + name + "\"",
                {.where = place});
}

void check_variable_name(const std::string& name, const std::string& place) {
  static const std::regex pattern("^[a-z][a-z0-9_]*$");
  if (name.size() > 63 || !std::regex_search(name, pattern))
    throw Error(
        "expected the name of a template's variable ([a-z][a-z0-9_]*), found \"" + name.substr(0, 63) + "\"",
        {.where = place});
}

template <class Item>
void refuse_twins(const std::vector<Item>& items, const JsonView& list) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < items.size(); ++i)
    if (!names.insert(items[i].name).second)
      throw Error("expected different names, found \"" + items[i].name + "\" twice",
                  {.where = fmt::format("{}/{}/name", list.place(), i)});
}

Scanner scanner(const JsonView& view) {
  Scanner result;
  result.use_default = view.boolean_or("useDefault", true);
  result.timeout_seconds = number_or(view, "timeout", 120);
  result.allow = view.strings_or_empty("allow");
  if (const auto rules = view.find("rules")) {
    std::set<std::string> ids;
    for (const JsonView& item : rules->elements()) {
      ScannerRule rule;
      rule.id = item.at("id").string();
      if (!ids.insert(rule.id).second || rule.id == "bottle-gate-canary")
        throw Error("expected a unique id, found \"" + rule.id + "\"", {.where = item.at("id").place()});
      rule.description = item.string_or("description", rule.id);
      rule.regex = item.at("regex").string();
      if (const auto group = item.find("secretGroup")) rule.secret_group = group->unsigned_number();
      if (const auto entropy = item.find("entropy")) rule.entropy = entropy->value().get<double>();
      rule.keywords = item.strings_or_empty("keywords");
      result.rules.push_back(std::move(rule));
    }
  }
  if (!result.use_default && result.rules.empty())
    throw Error("expected \"rules\" because the rules of gitleaks are disabled, found none",
                {.where = view.place()});
  return result;
}

void refuse_members(const JsonView& view, Kind kind, std::initializer_list<const char*> members) {
  for (const char* member : members)
    if (const auto found = view.find(member))
      throw Error(fmt::format("expected no \"{}\" in a {}, found it", member, kind_name(kind)),
                  {.where = found->place()});
}

std::string snake_case(const std::string& name) {
  std::string result;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') {
      result += '_';
      result += static_cast<char>(c - 'A' + 'a');
    } else {
      result += c;
    }
  }
  return result;
}

// The members that have a variable of their name. The others go into files that no template makes, or are
// only for the launch.
void note_given(const JsonView& view, std::set<std::string>& given, const std::set<std::string>& elsewhere) {
  for (const auto& [name, value] : view.value().items())
    if (elsewhere.count(name) == 0) given.insert(snake_case(name));
}

}  // namespace

const char* kind_name(Kind kind) {
  return kind == Kind::git ? "git-gate" : "ssh-gate";
}

std::string Upstream::url() const {
  const std::string place = host.find(':') == std::string::npos ? host : "[" + host + "]";
  // A path that is relative to the upstream's home has no separate form in a URL; git takes "/~/" for it.
  const std::string path = repository.front() == '/'   ? repository
                           : repository.front() == '~' ? "/" + repository
                                                       : "/~/" + repository;
  return fmt::format("ssh://{}@{}:{}{}", user, place, port, percent_encoded(path));
}

Description parse_description(std::string_view text, const std::string& name) {
  const Json json = parse_json(text, name);
  const JsonView view(json, name + "#");
  refuse_null(view);
  check_schema(gate_schema(), json, name + "#");
  refuse_nul(view);
  Description result;
  std::set<std::string> given;
  result.kind = view.at("kind").string() == "git-gate" ? Kind::git : Kind::ssh;
  result.listen_port = result.kind == Kind::git ? 9418 : 2222;
  if (const auto listen = view.find("listen")) {
    result.listen_address = listen->string_or("address", "");
    result.listen_port = port_or(*listen, result.listen_port);
    for (const auto& [member, value] : listen->value().items())
      given.insert("listen_" + member);
  }
  if (result.kind == Kind::git) {
    refuse_members(view, result.kind, {"hosts", "clients"});
    for (const JsonView& item : view.at("upstreams").elements()) {
      result.upstreams.push_back(upstream(item));
      note_given(item, given,
                 {"url", "host", "port", "user", "repository", "identity", "knownHostKey", "alsoHttps"});
    }
    refuse_twins(result.upstreams, view.at("upstreams"));
    if (const auto part = view.find("scanner")) {
      result.scanner = scanner(*part);
      if (part->find("timeout")) given.insert("scanner_timeout");
    } else {
      static const Json none = Json::object();
      result.scanner = scanner(JsonView(none, view.place() + "/scanner"));
    }
  } else {
    refuse_members(view, result.kind, {"upstreams", "scanner"});
    for (const JsonView& item : view.at("hosts").elements()) {
      Host host;
      host.name = item.at("name").string();
      host.host = item.at("host").string();
      host.port = port_or(item, 0);
      if (const auto keys = item.find("knownHostKey")) host.host_keys = public_keys(*keys);
      result.hosts.push_back(std::move(host));
      note_given(item, given, {"knownHostKey", "name"});
    }
    refuse_twins(result.hosts, view.at("hosts"));
    result.clients = public_keys(view.at("clients"));
    given.insert("clients");
  }
  result.hash_known_hosts = view.boolean_or("hashKnownHosts", false);
  if (const auto environment = view.find("environment"))
    for (const auto& [key, value] : environment->value().items()) {
      const JsonView item = environment->at(key);
      check_environment_name(key, item.place());
      result.environment[key] = item.string();
      given.insert("environment");
    }
  if (const auto variables = view.find("variables"))
    for (const auto& [key, value] : variables->value().items()) {
      const JsonView item = variables->at(key);
      check_variable_name(key, item.place());
      result.variables[key] = item.string();
      given.insert(key);
    }
  result.given.assign(given.begin(), given.end());
  return result;
}

Description load_description(const fs::path& file) {
  return parse_description(read_file(file, kLargestDescription), file.native());
}

}  // namespace bottle::gate
