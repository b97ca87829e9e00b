// SPDX-License-Identifier: Apache-2.0
// Text as one word of a POSIX shell (XCU 2.2.2, single quotes).
#pragma once

#include <string>
#include <string_view>

namespace bottle::gate {

// "it's" becomes 'it'\''s'. Always quoted, also when nothing needs it. The text must not hold NUL, which no
// shell can hold: that is an Error.
std::string shell_quote(std::string_view text);

}  // namespace bottle::gate
