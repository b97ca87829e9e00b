// SPDX-License-Identifier: Apache-2.0
// The first byte chooses what the rest is: a request's target, a Range, a Content-Range, a list of entity
// tags, or a manifest. What comes out is checked against the specification.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "oci/reference.hpp"
#include "registry/server/manifest.hpp"
#include "registry/server/reply.hpp"
#include "registry/server/target.hpp"

using namespace bottle::registry;

namespace {

void check(bool holds) {
  if (!holds) __builtin_trap();
}

void target(std::string_view text) {
  const ParsedTarget parsed = parse_target(text);
  if (!parsed.target) {
    check(parsed.fault.status >= 400 && parsed.fault.status < 500 && !parsed.fault.code.empty());
    return;
  }
  const Target& found = *parsed.target;
  const bool has_name = found.endpoint != ApiEndpoint::base && found.endpoint != ApiEndpoint::catalog &&
                        found.endpoint != ApiEndpoint::token;
  check(has_name == bottle::oci::is_repository(found.repository));
  // Names and digests become parts of paths, and of headers.
  for (const char c : found.repository)
    check((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '/');
  check(found.repository.find("..") == std::string::npos && !found.repository.starts_with('/'));
  check(found.reference.find('/') == std::string::npos);
  if (found.digest) check(found.digest->string() == found.reference);
  if (found.endpoint == ApiEndpoint::blob || found.endpoint == ApiEndpoint::referrers)
    check(found.digest.has_value());
  for (const std::string_view name : {"digest", "tag", "n", "last"}) {
    const std::string* first = found.query.find(name);
    const auto all = found.query.all(name);
    check((first == nullptr) == all.empty());
    for (const std::string& value : all) {
      const auto again = Query::parse("x=" + escape_query(value));
      check(again && *again->find("x") == value);
    }
  }
}

void range(std::string_view text, std::uint64_t size) {
  const WantedRange wanted = parse_range(text, size);
  if (wanted.kind == WantedRange::Kind::part)
    check(wanted.range.first <= wanted.range.last && wanted.range.last < size);
  if (const auto content = parse_chunk_range(text))
    check(content->first <= content->last && content->last - content->first + 1 != 0);
}

void manifest(std::string_view text) {
  std::string problem;
  const auto facts = read_manifest(text, problem);
  check(facts.has_value() == problem.empty());
  if (facts) check(!facts->media_type.empty() || facts->says_media_type);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      target(text);
      break;
    case 1:
      for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2048}, UINT64_MAX})
        range(text, length);
      break;
    case 2:
      (void)matches_entity_tag(text, "sha256:0");
      break;
    case 3:
      manifest(text);
      break;
    default:
      (void)is_session(text);
      (void)bottle::oci::is_tag(text);
      break;
  }
  return 0;
}
