// From the text of a regular expression to the steps that regex.hpp executes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/regex.hpp"

namespace bottle::dockerfile {

struct RegexProgram {
  std::vector<Regex::Step> steps;  // starts at 0
  std::vector<Regex::Set> sets;
  std::string
      prefix;  // literal text after a leading ^ and before a trailing $, where the expression has no |
  std::string suffix;
  std::string needle;  // literal text that every match holds
};

// Throws RegexError.
RegexProgram parse_regex(std::string_view expression);

}  // namespace bottle::dockerfile
