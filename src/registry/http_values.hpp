// SPDX-License-Identifier: Apache-2.0
// Values in HTTP headers, and when a request is repeated. Source: RFC 9110, RFC 8288.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "registry/http_types.hpp"

namespace bottle::registry {

// The parsers of what servers say. All strict: nullopt for what the grammar does not allow.

// "bytes 5-9/10" (RFC 9110 section 14.4): first, last, size (nullopt for "*").
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> size;
  bool operator==(const ContentRange&) const = default;
};
std::optional<ContentRange> parse_content_range(std::string_view text);
// "0-41" of an upload (distribution-spec, "Pushing a blob in chunks"), also with "bytes=": the number of
// bytes that have arrived.
std::optional<std::uint64_t> parse_upload_range(std::string_view text);
// The target of rel="next" in Link headers (RFC 8288).
std::optional<std::string> next_link(std::string_view text);
// Retry-After: seconds, or an HTTP date relative to `now`.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::time_t now);

// Whether a status is worth another attempt.
bool is_worth_retrying(int status);
// How long to wait before attempt `attempt` (the first retry is 1), `waited` having been spent: nullopt when
// the policy allows no more. `retry_after` is what the server asked for; `jitter` is in [0, 1).
std::optional<std::chrono::milliseconds> next_wait(const RetryPolicy& policy, unsigned attempt,
                                                   std::chrono::milliseconds waited,
                                                   std::optional<std::chrono::seconds> retry_after,
                                                   double jitter);

}  // namespace bottle::registry
