// SPDX-License-Identifier: Apache-2.0
// Answers to a registry's challenges, remembered as long as the client lives. For the files of this room
// only.
// Source: Docker token authentication specification and its OAuth2 variant; RFC 6750, RFC 7617.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "registry/challenge.hpp"
#include "registry/credentials.hpp"
#include "registry/http.hpp"
#include "registry/routes.hpp"

namespace bottle::registry {

// What a request needs to be allowed.
struct Scope {
  std::string repository;  // "" for the registry as a whole
  std::string actions;     // "pull", "pull,push"
  std::string also_pull;   // a further repository to read (mounts)
};

// The realm and query of the token request that a Bearer challenge leads to; an Error for a challenge that no
// credential may be sent for. `where` is the URL that was asked for.
Url token_url(const Endpoint& endpoint, const Challenge& challenge, const Scope& scope,
              const std::string& where);

// The token in a token service's answer, and how long it is good for.
struct Token {
  std::string token;
  std::chrono::seconds lifetime{60};
};
Token parse_token(std::string_view body, const std::string& where);

class Authorizer {
 public:
  Authorizer(fs::path auth_file, const Http& http) : credentials_(std::move(auth_file)), http_(http) {}

  // The Authorization value to begin with: "" until the registry has asked for one.
  std::string known(const Endpoint& endpoint, const Scope& scope);
  // After a 401 to a request with `used` ("" for none): another value to try; "" when there is nothing (more)
  // to offer. Throws for an invalid challenge, or a token service that fails.
  std::string answer(const Endpoint& endpoint, const Scope& scope, const Response& refusal,
                     const std::string& used);

  // The text without any credential that was used: a registry may repeat the request.
  std::string scrubbed(std::string text);

  Credentials& credentials() { return credentials_; }

 private:
  struct Known {
    std::string value;
    std::chrono::steady_clock::time_point until;
  };
  Known fetch_token(const Endpoint& endpoint, const Challenge& challenge, const Scope& scope,
                    const std::string& where);

  std::optional<Credential> find_credential(const Endpoint& endpoint, const Scope& scope);
  void remember_secret(const std::string& secret);

  Credentials credentials_;
  const Http& http_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;
  std::vector<std::string> secrets_;
};

}  // namespace bottle::registry
