// SPDX-License-Identifier: Apache-2.0
#include "registry/server/service.hpp"

#include <utility>

namespace bottle::registry {

Reply method_not_allowed(std::string_view allowed) {
  Reply reply = error_reply(405, "UNSUPPORTED", "the method is not supported at this path");
  return std::move(reply.with("Allow", std::string(allowed)));
}

Service::Service(Repositories::Kind kind, fs::path directory, Durable durable, Access access,
                 ServerLimits limits)
    : repositories_(kind, std::move(directory), durable),
      uploads_(durable),
      access_(std::move(access)),
      limits_(limits) {}

std::shared_ptr<Layout> Service::repository(const ServerRequest& request) const {
  auto layout = repositories_.find(request.target.repository);
  if (!layout) throw Refusal(404, "NAME_UNKNOWN", "no such repository: " + request.target.repository);
  return layout;
}

void Service::need_writable() const {
  if (access_.read_only) throw Refusal(405, "UNSUPPORTED", "the registry is read-only");
}

Answer Service::answer(const ServerRequest& request) {
  if (auto refusal = refuse_foreign_page(request)) return std::move(*refusal);
  if (request.target.endpoint == ApiEndpoint::token) return token_reply(request);
  if (auto refusal = refuse_stranger(request)) return std::move(*refusal);
  const bool reads = request.method == Method::get || request.method == Method::head;
  switch (request.target.endpoint) {
    case ApiEndpoint::base:
      return reads ? json_reply("{}\n") : method_not_allowed("GET, HEAD");
    case ApiEndpoint::catalog:
      return reads ? catalog(request) : method_not_allowed("GET, HEAD");
    case ApiEndpoint::tags:
      return reads ? tags(request) : method_not_allowed("GET, HEAD");
    case ApiEndpoint::referrers:
      if (!reads) return method_not_allowed("GET, HEAD");
      // Looks into each manifest of the repository when it is asked for the first time.
      return later([this, request] { return referrers(request); });
    case ApiEndpoint::blob:
      return blob(request);
    case ApiEndpoint::manifest:
      return manifest(request);
    case ApiEndpoint::uploads:
      return uploads(request);
    case ApiEndpoint::upload:
      return upload(request);
    case ApiEndpoint::token:
      break;
  }
  return error_reply(404, "UNSUPPORTED", "no such path");
}

void Service::expire_uploads() const {
  if (access_.read_only) return;
  for (const fs::path& directory : repositories_.directories())
    Uploads::expire(directory, limits_.upload_seconds);
}

}  // namespace bottle::registry
