// SPDX-License-Identifier: Apache-2.0
// Blobs: GET with ranges, HEAD, DELETE.
// Source: OCI distribution-spec 1.1 "Pulling blobs", "Deleting Blobs"; RFC 9110 sections 13 and 14.
#include "registry/server/service.hpp"

#include "util/error.hpp"

namespace bottle::registry {

Answer Service::blob(const ServerRequest& request) {
  const oci::ContentDigest& digest = *request.target.digest;
  const auto unknown = [&] {
    return error_reply(404, "BLOB_UNKNOWN", "the repository has no blob " + digest.string());
  };
  if (request.method == Method::remove) {
    need_writable();
    const auto layout = repository(request);
    return later([layout, digest, unknown] {
      if (layout->index()->by_digest.contains(digest.string()))
        return error_reply(405, "UNSUPPORTED", "the digest is a manifest's: delete it below manifests/");
      if (!layout->remove_blob(digest)) return unknown();
      Reply reply;
      reply.status = 202;
      return reply;
    });
  }
  if (request.method != Method::get && request.method != Method::head)
    return method_not_allowed("GET, HEAD, DELETE");

  auto blob = repositories_.open_blob(*repository(request), digest);
  if (!blob) return unknown();
  Reply reply;
  reply.with("Docker-Content-Digest", digest.string())
      .with("ETag", "\"" + digest.string() + "\"")
      .with("Accept-Ranges", "bytes");
  if (!request.if_none_match.empty() && matches_entity_tag(request.if_none_match, digest.string())) {
    reply.status = 304;
    return reply;
  }
  reply.with("Content-Type", "application/octet-stream");
  reply.file = std::move(blob->file);
  reply.length = blob->size;
  // With If-Range the client requests a part of this content only.
  const bool same = request.if_range.empty() || matches_entity_tag(request.if_range, digest.string());
  if (request.method != Method::get || request.range.empty() || !same) return reply;
  const WantedRange wanted = parse_range(request.range, blob->size);
  const std::string size = std::to_string(blob->size);
  if (wanted.kind == WantedRange::Kind::unsatisfiable) {
    Reply refusal = error_reply(416, "SIZE_INVALID", "the range exceeds the blob's " + size + " bytes");
    refusal.with("Content-Range", "bytes */" + size);
    return refusal;
  }
  if (wanted.kind == WantedRange::Kind::part) {
    reply.status = 206;
    reply.offset = wanted.range.first;
    reply.length = wanted.range.last - wanted.range.first + 1;
    reply.with("Content-Range", "bytes " + std::to_string(wanted.range.first) + "-" +
                                    std::to_string(wanted.range.last) + "/" + size);
  }
  return reply;
}

}  // namespace bottle::registry
