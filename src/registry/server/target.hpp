// SPDX-License-Identifier: Apache-2.0
// What a request asks for: its target, decoded, checked and sorted into endpoints, and the two headers about
// ranges. Pure functions over hostile text.
// Source: OCI distribution-spec 1.1 spec.md, "Endpoints", "Pulling manifests" (grammar of names and tags),
// "Pushing a blob in chunks" (Content-Range); RFC 9110 section 14 (Range).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/content_digest.hpp"

namespace bottle::registry {

// The parameters of a query, decoded (percent and '+'), in their order.
class Query {
 public:
  // nullopt for a broken escape or a control character.
  static std::optional<Query> parse(std::string_view text);

  const std::string* find(std::string_view name) const;  // the first of that name
  std::vector<std::string> all(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

enum class ApiEndpoint {
  base,       // /v2/
  catalog,    // /v2/_catalog
  token,      // /token
  blob,       // /v2/<name>/blobs/<digest>
  manifest,   // /v2/<name>/manifests/<tag or digest>
  tags,       // /v2/<name>/tags/list
  referrers,  // /v2/<name>/referrers/<digest>
  uploads,    // /v2/<name>/blobs/uploads/
  upload,     // /v2/<name>/blobs/uploads/<session>
};

struct Target {
  ApiEndpoint endpoint = ApiEndpoint::base;
  std::string repository;                    // valid where the endpoint has one
  std::string reference;                     // the last part as it was said: tag, digest or session
  std::optional<oci::ContentDigest> digest;  // of `reference`, where it is one
  Query query;
};

// Why a target is refused: the HTTP status and the error code of the specification.
struct TargetFault {
  int status = 404;
  std::string_view code;
  std::string message;
};

struct ParsedTarget {
  std::optional<Target> target;
  TargetFault fault;  // where there is no target
};

// `text` is the target as it stood in the request line, in origin form: path, '?', query.
ParsedTarget parse_target(std::string_view text);

// A request line's target in absolute form ("http://host:port/v2/"), which every server has to accept, in its
// two parts (RFC 9112 section 3.2.2). Without a scheme `origin_form` is the text.
struct RequestTarget {
  bool absolute = false;
  std::string_view authority;
  std::string_view origin_form;
};
RequestTarget split_request_target(std::string_view text);

bool is_session(std::string_view text);  // a UUID in lower case

// An inclusive range of bytes.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

struct WantedRange {
  enum class Kind { whole, part, unsatisfiable };
  Kind kind = Kind::whole;
  ByteRange range;  // for a part; inside the content
};
// The header Range for content of `size` bytes. What is not one range of bytes asks for the whole.
WantedRange parse_range(std::string_view header, std::uint64_t size);

// The header Content-Range of an upload: "0-99" as the specification has it, or "bytes 0-99/*" (or a number
// for '*') as HTTP has it. nullopt for anything else, also for a range that ends before it begins.
std::optional<ByteRange> parse_chunk_range(std::string_view header);

// The text with everything escaped that may not stand in a query.
std::string escape_query(std::string_view text);

}  // namespace bottle::registry
