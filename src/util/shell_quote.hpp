// SPDX-License-Identifier: Apache-2.0
// Text as one word of a POSIX shell (XCU 2.2.2, single quotes).
#pragma once

#include <string>
#include <string_view>

namespace bottle {

// "it's" becomes 'it'\''s'. Always quoted, also when nothing needs it. The text must not hold NUL, which no
// shell can hold: that is an Error.
std::string shell_quote(std::string_view text);

// For commands that people read: quoted only if something in it needs that.
std::string shell_word(std::string_view text);

}  // namespace bottle
