// SPDX-License-Identifier: Apache-2.0
// Durations as HEALTHCHECK flags write them ("1h30m", "1.5s", "100ms") and as image histories show them
// ("1h30m0s").
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace bottle::dockerfile {

// Decimal numbers with a unit each (ns, us, µs, ms, s, m, h), or "0"; nullopt for anything else or out of
// range.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::nanoseconds duration);

}  // namespace bottle::dockerfile
