// SPDX-License-Identifier: Apache-2.0
// From the text of a regular expression to the steps that regex.hpp executes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/regex_program.hpp"

namespace bottle::dockerfile {

// Throws RegexError.
RegexProgram parse_regex(std::string_view expression);

}  // namespace bottle::dockerfile
