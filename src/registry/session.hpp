// Requests to registries with what they need to be allowed. For the files of this room only.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "registry/authorizer.hpp"
#include "registry/client.hpp"

namespace bottle::registry {

class Session {
 public:
  explicit Session(ClientOptions options);

  // Where a registry is and whether it is spoken to in plain HTTP.
  Endpoint endpoint(const std::string& registry) const;
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
};

struct Client::State {
  explicit State(ClientOptions options) : session(std::move(options)) {}
  Session session;
};

// "ABC: text; DEF: text" of a registry's error document (distribution-spec "Error Codes"), made safe to show;
// "" if it is none.
std::string error_summary(std::string_view body);

}  // namespace bottle::registry
