// SPDX-License-Identifier: Apache-2.0
// A regular expression as the steps that dockerfile/regex.hpp executes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "util/error.hpp"

namespace bottle::dockerfile {

class RegexError : public Error {
 public:
  using Error::Error;
};

struct RegexRange {
  char32_t first;
  char32_t last;
};
struct RegexStep {
  enum class Kind : std::uint8_t { set, split, jump, text_start, text_end, accept } kind;
  std::int32_t next = -1;   // split: the first way
  std::int32_t other = -1;  // split: the second way
  std::uint32_t set = 0;    // an index into sets_
};
using RegexSet = std::vector<RegexRange>;  // sorted, disjoint

struct RegexProgram {
  std::vector<RegexStep> steps;  // starts at 0
  std::vector<RegexSet> sets;
  std::string
      prefix;  // literal text after a leading ^ and before a trailing $, where the expression has no |
  std::string suffix;
  std::string needle;  // literal text that every match holds
};

}  // namespace bottle::dockerfile
