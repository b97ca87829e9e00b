// SPDX-License-Identifier: Apache-2.0
// The patterns of ${name#pattern}, ${name%pattern} and ${name/pattern/text}: "?" is any character, "*" any
// run of characters (neither crosses a line end), "\*", "\?" and "\\" are the characters themselves; there
// are no brackets (POSIX.1-2017, XCU 2.13 without 2.13.1's bracket expressions).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bottle::dockerfile {

enum class Reach { shortest, longest };

// `value` without the part at its start (or end) that matches. Throws WordError for a bad escape in the
// pattern.
std::string remove_prefix(std::string_view pattern, std::string_view value, Reach reach);
std::string remove_suffix(std::string_view pattern, std::string_view value, Reach reach);

enum class Replace { first, all };

// `value` with the first (or every) longest match replaced. With Replace::all "$0" and "${0}" in the
// replacement stand for the match, "$$" for a dollar sign, and other "$name" for nothing.
std::string replace_pattern(std::string_view pattern, std::string_view value, std::string_view replacement,
                            Replace which);

}  // namespace bottle::dockerfile
