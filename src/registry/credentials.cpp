// SPDX-License-Identifier: Apache-2.0
#include "registry/credentials.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "registry/auth_files.hpp"
#include "util/ascii.hpp"
#include "util/base64.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::size_t kMaximumHelperAnswer = 1u << 20;
constexpr const char* kHubKey = "https://index.docker.io/v1/";

// "https://host/v1/" and "host" are the same; a path otherwise narrows (containers-auth.json).
std::string normal_key(std::string_view key) {
  for (const std::string_view scheme : {"https://", "http://"})
    if (key.starts_with(scheme)) key.remove_prefix(scheme.size());
  while (key.ends_with('/'))
    key.remove_suffix(1);
  for (const std::string_view version : {"/v1", "/v2"})
    if (key.ends_with(version)) key.remove_suffix(version.size());
  if (key == "index.docker.io" || key == "registry-1.docker.io") return "docker.io";
  return std::string(key);
}

// JSON errors quote what they stumble over, which may be a secret.
Json parse_silently(std::string_view text, const std::string& source) {
  try {
    return parse_json(text, source);
  } catch (const Error&) {
    throw Error("expected JSON in the form of Docker's config.json", {.where = source});
  }
}

// The member, in whatever case its name is written: Docker and the helpers decode with Go's encoding/json.
const Json* member_of(const Json& object, std::string_view name) {
  if (const auto found = object.find(std::string(name)); found != object.end()) return &*found;
  for (const auto& [key, value] : object.items())
    if (equal_caseless(key, name)) return &value;
  return nullptr;
}

std::string text_member(const Json& object, const char* name) {
  const Json* found = member_of(object, name);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

std::string helper_name(const std::string& name, const std::string& source) {
  const bool good =
      !name.empty() && name.size() < 128 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
      });
  if (!good)
    throw Error("expected the name of a credential helper (letters, digits, \"-_.\"), found \"" +
                    escape_word(name.substr(0, 100)) + '"',
                {.where = source});
  return name;
}

std::optional<Credential> credential_of(const Json& entry, const std::string& source,
                                        const std::string& key) {
  if (!entry.is_object()) return std::nullopt;
  Credential found{.user = text_member(entry, "username"),
                   .secret = text_member(entry, "password"),
                   .identity_token = text_member(entry, "identitytoken"),
                   .registry_token = text_member(entry, "registrytoken"),
                   .source = source};
  if (const std::string both = text_member(entry, "auth"); !both.empty()) {
    const auto decoded = decode_base64(both, Base64::loose);
    const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos)
      throw Error("expected base64 of user:password as \"auth\" of " + escape_word(key),
                  {.where = source, .hint = "log in again: docker login"});
    found.user = decoded->substr(0, colon);
    found.secret = decoded->substr(colon + 1);
    while (found.secret.ends_with('\0'))
      found.secret.pop_back();
  }
  if (found.user.empty() && found.secret.empty() && found.identity_token.empty() &&
      found.registry_token.empty())
    return std::nullopt;
  return found;
}

std::optional<Credential> ask_helper(const std::string& name, const std::string& registry,
                                     const std::string& source) {
  const std::string program = "docker-credential-" + name;
  if (!find_program(program))
    throw Error(
        "the credential helper " + program + " is not installed",
        {.where = source, .hint = "install it, or remove \"" + name + "\" from credsStore and credHelpers"});
  Pipe input = make_pipe();
  Pipe output = make_pipe();
  write_all(input.writer.get(), registry == "docker.io" ? kHubKey : registry, program);
  input.writer.reset();
  Command command;
  command.arguments = {program, "get"};
  command.input = input.reader.get();
  command.output = output.writer.get();
  command.error = STDERR_FILENO;
  command.own_group = false;  // it may ask on the terminal
  Child child = start(command);
  output.writer.reset();
  std::string answer;
  drain(output.reader.get(), [&](std::string_view text) {
    if (answer.size() + text.size() > kMaximumHelperAnswer)
      throw Error("the output of the credential helper exceeds 1 MiB", {.where = program});
    answer += text;
  });
  const ExitStatus status = child.wait();
  if (!status.success()) {
    // What helpers say when they know the registry not.
    if (answer.find("credentials not found") != std::string::npos) return std::nullopt;
    throw Error("the credential helper failed: " + status.text(),
                {.where = program, .hint = "run `echo " + registry + " | " + program + " get`"});
  }
  return parse_helper_answer(answer, program);
}

}  // namespace

ConfiguredCredential find_in_auth_file(std::string_view text, const std::string& registry,
                                       const std::string& repository, const std::string& source,
                                       AuthFormat format) {
  Json document = parse_silently(text, source);
  if (!document.is_object()) throw Error("expected a JSON object", {.where = source});
  if (format == AuthFormat::legacy) document = Json{{"auths", std::move(document)}};
  ConfiguredCredential result;
  bool has_own = false;
  if (const Json* helpers = member_of(document, "credHelpers"); helpers != nullptr && helpers->is_object())
    for (const auto& [key, value] : helpers->items())
      if (normal_key(key) == registry && value.is_string()) {
        has_own = true;  // "": no helper, whatever credsStore says
        if (const std::string name = value.get<std::string>(); !name.empty())
          result.helper = helper_name(name, source);
      }
  if (const std::string store = text_member(document, "credsStore"); !has_own && !store.empty())
    result.helper = helper_name(store, source);
  const Json* auths = member_of(document, "auths");
  if (auths == nullptr || !auths->is_object()) return result;
  // The most specific first: registry/a/b, registry/a, registry.
  for (std::string wanted = registry + (repository.empty() ? "" : "/" + repository);;) {
    for (const auto& [key, entry] : auths->items()) {
      if (normal_key(key) != wanted) continue;
      result.credential = credential_of(entry, source, wanted);
      if (result.credential) return result;
    }
    const std::size_t slash = wanted.rfind('/');
    if (slash == std::string::npos || slash < registry.size()) return result;
    wanted.resize(slash);
  }
}

std::optional<Credential> parse_helper_answer(std::string_view text, const std::string& source) {
  const Json answer = parse_silently(text, source);
  if (!answer.is_object())
    throw Error("expected a JSON object from the credential helper", {.where = source});
  const std::string user = text_member(answer, "Username");
  const std::string secret = text_member(answer, "Secret");
  if (secret.empty()) return std::nullopt;
  Credential found;
  found.source = source;
  if (user == "<token>") {
    found.identity_token = secret;
  } else {
    found.user = user;
    found.secret = secret;
  }
  return found;
}

std::optional<Credential> Credentials::find(const std::string& registry, const std::string& repository) {
  const std::lock_guard lock(mutex_);
  const std::string key = registry + "/" + repository;
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  std::optional<Credential> credential;
  for (const AuthSource& source : auth_sources(auth_file_)) {
    const auto text = read_auth_source(source);
    if (!text) continue;
    ConfiguredCredential configured = find_in_auth_file(
        *text, registry, repository, source.name, source.legacy ? AuthFormat::legacy : AuthFormat::current);
    if (!configured.helper.empty()) {
      // Asking may take a second, or ask the user in turn.
      const std::string asked = configured.helper + " " + registry;
      if (!answers_.contains(asked)) answers_[asked] = ask_helper(configured.helper, registry, source.name);
      credential = answers_[asked];
    }
    if (!credential) credential = std::move(configured.credential);
    if (credential) break;
  }
  return known_[key] = std::move(credential);
}

}  // namespace bottle::registry
