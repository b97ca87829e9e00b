// SPDX-License-Identifier: Apache-2.0
#include "registry/loopback.hpp"

#include <algorithm>

#include "util/ascii.hpp"
#include "util/text.hpp"

namespace bottle::registry {

bool is_loopback(std::string_view registry) {
  const std::size_t colon = registry.rfind(':');
  const bool has_port = colon != std::string_view::npos && registry.back() != ']';
  const std::string host = ascii_lower(has_port ? registry.substr(0, colon) : registry);
  if (host == "localhost" || host.ends_with(".localhost") || host == "[::1]") return true;
  const auto parts = split(host, '.');
  return parts.size() == 4 && parts[0] == "127" && std::all_of(parts.begin(), parts.end(), [](auto part) {
           const auto number = parse_unsigned(part);
           return number && *number <= 255;
         });
}

}  // namespace bottle::registry
