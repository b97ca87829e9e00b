// SPDX-License-Identifier: Apache-2.0
// Several fields of any bytes as one text: what a process of a RUN reports to the one that waits for it. A
// process can be killed while it writes, so a message that is cut off is recognized.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bottle::run {

// Each field is its length in decimal digits, a ':' and its bytes. The first field says what the others are.
std::string message(std::initializer_list<std::string_view> fields);

// At least one field; nullopt if `text` is not a whole message. The views are of `text`.
std::optional<std::vector<std::string_view>> message_fields(std::string_view text);

}  // namespace bottle::run
