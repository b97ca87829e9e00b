// SPDX-License-Identifier: Apache-2.0
// Requests to registries with what they need to be allowed. For the files of this room only.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "oci/reference.hpp"
#include "registry/authorizer.hpp"
#include "registry/client_options.hpp"
#include "registry/http.hpp"
#include "registry/routes.hpp"
#include "util/error.hpp"

namespace bottle::registry {

class Session {
 public:
  explicit Session(ClientOptions options);

  // The registry itself, and whether it uses plain HTTP.
  Endpoint endpoint(const std::string& registry) const { return routes_.endpoint(registry); }
  // Where the repository is for the purpose: mirrors first (registry/routes.hpp).
  std::vector<Place> places(const oci::Reference& repository, Purpose purpose) const {
    return routes_.places(repository.registry, repository.repository, purpose);
  }
  // The registry's own place of a repository, for what mirrors are not asked for.
  Place own_place(const oci::Reference& repository, Purpose purpose) const {
    return places(repository, purpose).back();
  }
  // The URL of "/v2/<repository>/<rest>".
  static std::string url(const Endpoint& endpoint, const std::string& repository, const std::string& rest);

  // As Http's, with the Authorization for the scope; asks for another once when it is refused. A 401 that
  // remains is returned. The request's URL is the registry's own.
  Response request(const Endpoint& endpoint, const Scope& scope, Request request) const;
  Response download(const Endpoint& endpoint, const Scope& scope, const std::string& url,
                    const DownloadSink& sink, DownloadOptions options) const;

  // Throws what a status that was not expected means, with what the registry says about it.
  [[noreturn]] void fail(const Endpoint& endpoint, const Response& response, const std::string& action) const;

  const ClientOptions& options() const { return options_; }
  const Http& http() const { return http_; }
  Authorizer& authorizer() const { return authorizer_; }

 private:
  ClientOptions options_;
  Http http_;
  mutable Authorizer authorizer_;
  mutable Routes routes_;
};

// What the first place gives for which `attempt` neither fails nor returns nothing. The last place's answer
// is final; its error says which mirrors failed before.
template <class Attempt>
auto first_answer(const std::vector<Place>& places, const Attempt& attempt) {
  std::string failed;
  for (std::size_t i = 0; i + 1 < places.size(); ++i) {
    try {
      if (auto answer = attempt(places[i])) return answer;
    } catch (const Error& error) {
      failed += (failed.empty() ? "" : "; ") + error.message() + " (" + error.where() + ")";
    }
  }
  try {
    return attempt(places.back());
  } catch (const Error& error) {
    if (failed.empty()) throw;
    throw Error(error.message(),
                {.where = error.where(), .hint = "check the mirrors, which failed first: " + failed});
  }
}

// Repositories that blobs could not be mounted from: each further blob is uploaded without asking.
class MountRefusals {
 public:
  void add(const std::string& repository, const std::string& from) {
    const std::lock_guard lock(mutex_);
    refused_.emplace(repository, from);
  }
  bool contains(const std::string& repository, const std::string& from) const {
    const std::lock_guard lock(mutex_);
    return refused_.contains({repository, from});
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::pair<std::string, std::string>> refused_;
};

// "ABC: text; DEF: text" of a registry's error document (distribution-spec "Error Codes"), made safe to show;
// "" if it has no such code.
std::string error_summary(std::string_view body);

}  // namespace bottle::registry
