// SPDX-License-Identifier: Apache-2.0
// Header fields of servers (ranges, links, Retry-After) and URLs. The first byte chooses which.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "registry/http.hpp"

using namespace bottle::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Url base = *Url::parse("https://r.example:8443/v2/a/b?x=1");
  switch (data[0] % 5) {
    case 0:
      if (const auto range = parse_content_range(text))
        if (range->last < range->first || (range->size && *range->size <= range->last)) __builtin_trap();
      break;
    case 1:
      parse_upload_range(text);
      break;
    case 2:
      if (const auto link = next_link(text)) {
        if (link->empty()) __builtin_trap();
        base.resolve(*link);
      }
      break;
    case 3:
      if (const auto wait = parse_retry_after(text, 1'000'000'000)) {
        if (wait->count() < 0) __builtin_trap();
        next_wait({}, 1, {}, *wait, 0.5);
      }
      break;
    default:
      for (const auto& url : {Url::parse(text), base.resolve(text)}) {
        if (!url) continue;
        if (url->target.empty() || url->target.front() != '/' || url->host.empty()) __builtin_trap();
        if (url->string().find_first_of("@\r\n ") < url->origin().size()) __builtin_trap();
        const auto again = Url::parse(url->string());
        if (!again || !again->same_origin(*url) || again->target != url->target) __builtin_trap();
      }
      redacted(text);
  }
  return 0;
}
