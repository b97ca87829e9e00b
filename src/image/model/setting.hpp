// Settings of a specification that may come out of a generator expression: CMake writes their evaluated text,
// which nothing has checked before. A specification written by hand has numbers and booleans in their place.
// Whatever does not fit is an Error with the JSON pointer.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "util/json.hpp"

namespace bottle::image {
inline namespace model {

// A number, or text that is one: {least, most}.
std::uint64_t number_setting(const JsonView& view, std::pair<std::uint64_t, std::uint64_t> range);
// A boolean, or one of CMake's constants: 1 ON YES TRUE Y, 0 OFF NO FALSE N.
bool boolean_setting(const JsonView& view);
// The same, or "NETWORK;<word>;...", the words of add_bottle(NETWORK): "machine" is true, 1 and 0 are what
// logical expressions give, the last of them counts; "none" and "host" are about RUN.
bool network_setting(const JsonView& view);

}  // namespace model
}  // namespace bottle::image
