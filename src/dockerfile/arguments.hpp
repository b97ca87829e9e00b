// SPDX-License-Identifier: Apache-2.0
// The words of an instruction's arguments, quotes and escapes still in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/instruction.hpp"

namespace bottle::dockerfile {

// Split at white space outside quotes.
std::vector<std::string> argument_words(std::string_view text, char escape);

// "name=value ..." of ENV and LABEL, or the old "name value". Throws SourceError.
std::vector<KeyValue> key_values(const Node& node, char escape, const SourceText& source);

}  // namespace bottle::dockerfile
