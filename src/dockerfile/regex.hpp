// SPDX-License-Identifier: Apache-2.0
// A small regular expression engine for ignore patterns. The reference matcher turns a pattern into a regular
// expression without quoting all that is special in one, so a pattern means what that expression means, and
// this engine understands what can come up there (RE2 syntax, without lazy repetition, word boundaries and \p
// classes). Matching is a table look-up a character where the automaton is small, and linear in any case.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/regex_program.hpp"

namespace bottle::dockerfile {

class Regex {
 public:
  // Throws RegexError.
  explicit Regex(std::string_view expression);
  // Whether the whole text matches, if the expression has ^ and $, else whether a part does.
  bool matches(std::string_view text) const;

 private:
  using States = std::vector<std::int32_t>;
  void add(States& states, std::vector<char>& seen, std::int32_t step, bool at_start, bool at_end) const;
  States advance(const States& states, char32_t rune) const;
  bool accepts(const States& states, bool at_start) const;
  bool simulate(std::string_view text) const;
  void divide_runes();
  void build_table();
  std::size_t class_of(char32_t rune) const;

  std::vector<RegexStep> steps_;
  std::vector<RegexSet> sets_;
  std::string prefix_;  // every match starts and ends with these
  std::string suffix_;
  std::string needle_;  // every match holds it
  // Characters that no set tells apart are one class: class k starts at boundaries_[k].
  std::vector<char32_t> boundaries_;
  std::array<std::uint16_t, 128> ascii_class_{};
  struct TableState {
    bool accept = false;
    bool dead = false;  // no text can match from here
  };
  std::vector<TableState> table_;
  std::vector<std::uint16_t> transitions_;  // table_.size() rows of boundaries_.size()
};

}  // namespace bottle::dockerfile
