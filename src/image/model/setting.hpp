// SPDX-License-Identifier: Apache-2.0
// Settings of a specification that may come out of a generator expression: CMake writes their evaluated text,
// which nothing has checked before. A specification written by hand has numbers and booleans in their place.
// Whatever does not fit is an Error with the JSON pointer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "util/json.hpp"

namespace bottle::image {
inline namespace model {

// The times that an image can have: its configuration writes them as RFC 3339, which ends with the year 9999.
// Tar headers hold all of them (PAX in layers, base 256 in packs).
inline constexpr std::int64_t kSmallestEpoch = -62167219200;  // the year 0
inline constexpr std::int64_t kLargestEpoch = 253402300799;

// A value of SOURCE_DATE_EPOCH, in the forms that BuildKit reads (Go's strconv.ParseInt): "7", "-7", "+7",
// "007". nullopt if it is not a number in this range.
std::optional<std::int64_t> parse_epoch(std::string_view text);
// What parse_epoch() expects, for messages.
std::string epoch_form();

// A number, or text that is one: {least, most}.
std::uint64_t number_setting(const JsonView& view, std::pair<std::uint64_t, std::uint64_t> range);
// A boolean, or one of CMake's constants: 1 ON YES TRUE Y, 0 OFF NO FALSE N.
bool boolean_setting(const JsonView& view);
// The same, or "NETWORK;<word>;...", the words of add_bottle(NETWORK): "machine" is true, 1 and 0 are what
// logical expressions give, the last of them counts; "none" and "host" are about RUN.
bool network_setting(const JsonView& view);

}  // namespace model
}  // namespace bottle::image
