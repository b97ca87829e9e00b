// SPDX-License-Identifier: Apache-2.0
#include "registry/authorizer.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include "util/base64.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::uint64_t kMaximumAnswer = 1u << 20;
constexpr std::chrono::seconds kEarly{5};

bool is_plain_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string encoded(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::string_view("-._~:/,").find(c) != std::string_view::npos) {
      result += c;
    } else {
      ((result += '%') += kDigits[byte >> 4]) += kDigits[byte & 15];
    }
  }
  return result;
}

std::vector<std::string> scopes_of(const Challenge& challenge, const Scope& scope) {
  std::vector<std::string> scopes;
  if (!scope.repository.empty()) scopes.push_back("repository:" + scope.repository + ":" + scope.actions);
  if (!scope.also_pull.empty()) scopes.push_back("repository:" + scope.also_pull + ":pull");
  const std::string* asked = challenge.find("scope");
  if (asked == nullptr) return scopes;
  for (const std::string_view one : split(*asked, ' '))
    if (!one.empty() && std::find(scopes.begin(), scopes.end(), one) == scopes.end()) {
      // A registry that knows the repository by another name gives that name; only reading and writing are
      // requested.
      const std::string_view actions = one.substr(std::min(one.size(), one.rfind(':') + 1));
      bool wanted = true;
      for (const std::string_view action : split(actions, ','))
        wanted = wanted &&
                 (action == "pull" || action == "*" || (action == "push" && scope.actions.ends_with("push")));
      if (wanted) scopes.emplace_back(one);
    }
  return scopes;
}

std::string key_of(const Endpoint& endpoint, const Scope& scope) {
  return endpoint.registry + " " + scope.repository + " " + scope.actions + " " + scope.also_pull;
}

std::string basic_value(const Credential& credential) {
  return "Basic " + encode_base64(credential.user + ":" + credential.secret);
}

}  // namespace

Url token_url(const Endpoint& endpoint, const Challenge& challenge, const Scope& scope,
              const std::string& where) {
  const std::string* realm = challenge.find("realm");
  auto url = realm != nullptr ? Url::parse(*realm) : std::nullopt;
  if (!url)
    throw Error("expected an http or https URL as realm of WWW-Authenticate, found \"" +
                    (realm != nullptr ? redacted(escape_word(realm->substr(0, 200))) : "") + '"',
                {.where = where});
  if (endpoint.base.scheme == "https" && url->scheme != "https")
    throw Error(
        "the registry requests credentials over an unencrypted connection to " + redacted(url->string()),
        {.where = where});
  std::string query;
  if (const std::string* service = challenge.find("service")) query += "&service=" + encoded(*service);
  for (const std::string& one : scopes_of(challenge, scope))
    query += "&scope=" + encoded(one);
  if (!query.empty()) {
    if (url->target.find('?') == std::string::npos) query.front() = '?';
    url->target += query;
  }
  return std::move(*url);
}

Token parse_token(std::string_view body, const std::string& where) {
  Json document;
  try {
    document = parse_json(body, where);
  } catch (const Error&) {  // its message would show what was received
    throw Error("the response of the token service is not JSON", {.where = where});
  }
  Token result;
  for (const char* name : {"token", "access_token"}) {
    if (!document.is_object()) break;
    const auto found = document.find(name);
    if (found == document.end() || !found->is_string() || found->get_ref<const std::string&>().empty())
      continue;
    result.token = found->get<std::string>();
    break;
  }
  if (result.token.empty() || !is_plain_text(result.token))
    throw Error("the response of the token service holds no token", {.where = where});
  if (const auto lifetime = document.find("expires_in");
      lifetime != document.end() && lifetime->is_number_unsigned())
    result.lifetime = std::chrono::seconds(std::min<std::uint64_t>(lifetime->get<std::uint64_t>(), 86400));
  return result;
}

std::optional<Credential> Authorizer::find_credential(const Endpoint& endpoint, const Scope& scope) {
  auto credential = credentials_.find(endpoint.registry, scope.repository);
  if (credential) {
    for (const std::string& secret :
         {credential->secret, credential->identity_token, credential->registry_token})
      remember_secret(secret);
    remember_secret(basic_value(*credential).substr(std::string_view("Basic ").size()));
  }
  return credential;
}

void Authorizer::remember_secret(const std::string& secret) {
  if (!secret.empty() && std::find(secrets_.begin(), secrets_.end(), secret) == secrets_.end())
    secrets_.push_back(secret);
}

std::string Authorizer::scrubbed(std::string text) {
  const std::lock_guard lock(mutex_);
  for (const std::string& secret : secrets_)
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3)
      text.replace(at, secret.size(), "...");
  return text;
}

std::string Authorizer::known(const Endpoint& endpoint, const Scope& scope) {
  const std::lock_guard lock(mutex_);
  for (const std::string& key : {key_of(endpoint, scope), endpoint.registry}) {
    const auto found = known_.find(key);
    if (found != known_.end() && std::chrono::steady_clock::now() < found->second.until)
      return found->second.value;
  }
  return {};
}

Authorizer::Known Authorizer::fetch_token(const Endpoint& endpoint, const Challenge& challenge,
                                          const Scope& scope, const std::string& where) {
  const Url url = token_url(endpoint, challenge, scope, where);
  const std::string shown = redacted(url.string());
  const auto credential = find_credential(endpoint, scope);
  Request request{.url = url.string()};
  request.maximum_body = kMaximumAnswer;
  if (url.same_origin(endpoint.base)) request.settings = endpoint.settings;
  if (credential && !credential->registry_token.empty())
    return {"Bearer " + credential->registry_token, std::chrono::steady_clock::time_point::max()};
  if (credential && !credential->identity_token.empty()) {
    Url bare = url;
    const std::size_t question = std::min(bare.target.find('?'), bare.target.size());
    std::string form =
        "grant_type=refresh_token&client_id=bottle&refresh_token=" + encoded(credential->identity_token);
    // This variant takes one parameter `scope` with blanks between.
    std::string scopes;
    for (const std::string& one : scopes_of(challenge, scope))
      scopes += (scopes.empty() ? "" : "%20") + encoded(one);
    if (const std::string* service = challenge.find("service")) form += "&service=" + encoded(*service);
    if (!scopes.empty()) form += "&scope=" + scopes;
    bare.target.resize(question);
    request.method = "POST";
    request.url = bare.string();
    request.headers.emplace_back("Content-Type: application/x-www-form-urlencoded");
    request.body = Body{.bytes = form, .size = form.size(), .name = {}, .on_progress = {}};
    request.follow = false;  // the token is in the body
  } else if (credential) {
    request.authorization = basic_value(*credential);
  }
  const Response response = http_.request(request);
  if (response.status == 401 || response.status == 403)
    throw Error(credential ? "the token service rejected the credentials from " + credential->source
                           : "the token service requires credentials",
                {.where = shown, .hint = "log in with `docker login " + endpoint.registry + "`"});
  if (response.status < 200 || response.status > 299)
    throw Error("expected a token, found status " + std::to_string(response.status), {.where = shown});
  Token token = parse_token(response.body, shown);
  remember_secret(token.token);
  return {"Bearer " + token.token,
          std::chrono::steady_clock::now() + std::max(token.lifetime - kEarly, std::chrono::seconds(1))};
}

std::string Authorizer::answer(const Endpoint& endpoint, const Scope& scope, const Response& refusal,
                               const std::string& used) {
  const std::string where = redacted(refusal.url);
  std::vector<Challenge> challenges;
  std::optional<std::string_view> invalid;
  for (const std::string_view field : refusal.headers.all("WWW-Authenticate")) {
    auto found = parse_challenges(field);
    if (found)
      challenges.insert(challenges.end(), found->begin(), found->end());
    else
      invalid = field;
  }
  // A proxy or the registry may offer something else beside a challenge that can be answered.
  const bool is_known = std::any_of(challenges.begin(), challenges.end(), [](const Challenge& challenge) {
    return challenge.scheme == "bearer" || challenge.scheme == "basic";
  });
  if (invalid && !is_known)
    throw Error("not a WWW-Authenticate header: \"" + escape_word(invalid->substr(0, 100)) + '"',
                {.where = where});
  const std::lock_guard lock(mutex_);
  // Another thread may have been told the same, and asked for a token already.
  if (const auto found = known_.find(key_of(endpoint, scope));
      found != known_.end() && found->second.value != used &&
      std::chrono::steady_clock::now() < found->second.until)
    return found->second.value;
  for (const Challenge& challenge : challenges) {
    if (challenge.scheme != "bearer") continue;
    Known token = fetch_token(endpoint, challenge, scope, where);
    if (token.value == used) return {};
    return (known_[key_of(endpoint, scope)] = std::move(token)).value;
  }
  for (const Challenge& challenge : challenges) {
    if (challenge.scheme != "basic") continue;
    const auto credential = find_credential(endpoint, scope);
    if (!credential || credential->secret.empty()) return {};
    std::string value = basic_value(*credential);
    if (value == used) return {};
    // Remembered for the registry as a whole if it is not for a part of it.
    const auto general = credentials_.find(endpoint.registry, "");
    const bool whole = general && basic_value(*general) == value;
    known_[whole ? endpoint.registry : key_of(endpoint, scope)] = {
        value, std::chrono::steady_clock::time_point::max()};
    return value;
  }
  return {};
}

}  // namespace bottle::registry
