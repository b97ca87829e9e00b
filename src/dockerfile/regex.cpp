// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/regex.hpp"

#include <algorithm>
#include <map>

#include "dockerfile/regex_parser.hpp"
#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

constexpr std::size_t kMaximumTable = 128;  // states; larger automata are simulated
constexpr std::size_t kMaximumSteps = 500;  // beyond it not even tried

bool contains(const RegexSet& set, char32_t rune) {
  for (const RegexRange& range : set) {
    if (rune >= range.first && rune <= range.last) return true;
  }
  return false;
}

}  // namespace

Regex::Regex(std::string_view expression) {
  RegexProgram program = parse_regex(expression);
  steps_ = std::move(program.steps);
  sets_ = std::move(program.sets);
  prefix_ = std::move(program.prefix);
  suffix_ = std::move(program.suffix);
  if (program.needle != prefix_ && program.needle != suffix_) needle_ = std::move(program.needle);
  divide_runes();
  build_table();
}

void Regex::divide_runes() {
  boundaries_ = {0};
  for (const RegexSet& set : sets_) {
    for (const RegexRange& range : set) {
      boundaries_.push_back(range.first);
      boundaries_.push_back(range.last + 1);
    }
  }
  std::sort(boundaries_.begin(), boundaries_.end());
  boundaries_.erase(std::unique(boundaries_.begin(), boundaries_.end()), boundaries_.end());
  for (char32_t rune = 0; rune < 128; ++rune) {
    const auto next = std::upper_bound(boundaries_.begin(), boundaries_.end(), rune);
    ascii_class_[rune] = static_cast<std::uint16_t>(next - boundaries_.begin() - 1);
  }
}

std::size_t Regex::class_of(char32_t rune) const {
  if (rune < 128) return ascii_class_[rune];
  return static_cast<std::size_t>(std::upper_bound(boundaries_.begin(), boundaries_.end(), rune) -
                                  boundaries_.begin() - 1);
}

// Adds `step` and all that is reachable from it without a character.
void Regex::add(States& states, std::vector<char>& seen, std::int32_t step, bool at_start,
                bool at_end) const {
  std::vector<std::int32_t> open{step};
  while (!open.empty()) {
    const std::int32_t each = open.back();
    open.pop_back();
    if (seen[static_cast<std::size_t>(each)]) continue;
    seen[static_cast<std::size_t>(each)] = 1;
    const RegexStep& here = steps_[static_cast<std::size_t>(each)];
    switch (here.kind) {
      case RegexStep::Kind::set:
      case RegexStep::Kind::accept:
        states.push_back(each);
        break;
      case RegexStep::Kind::split:
        open.push_back(here.other);
        open.push_back(here.next);
        break;
      case RegexStep::Kind::jump:
        open.push_back(here.next);
        break;
      case RegexStep::Kind::text_start:
        if (at_start) open.push_back(here.next);
        break;
      case RegexStep::Kind::text_end:
        states.push_back(each);  // decided when the text ends
        if (at_end) open.push_back(here.next);
        break;
    }
  }
}

Regex::States Regex::advance(const States& states, char32_t rune) const {
  States next;
  std::vector<char> seen(steps_.size(), 0);
  for (const std::int32_t each : states) {
    const RegexStep& step = steps_[static_cast<std::size_t>(each)];
    if (step.kind == RegexStep::Kind::accept) {
      if (!seen[static_cast<std::size_t>(each)]) next.push_back(each);  // a match that is found stays found
      seen[static_cast<std::size_t>(each)] = 1;
    } else if (step.kind == RegexStep::Kind::set && contains(sets_[step.set], rune)) {
      add(next, seen, step.next, false, false);
    }
  }
  // A match may start anywhere; ^ is false from here on.
  add(next, seen, 0, false, false);
  std::sort(next.begin(), next.end());
  return next;
}

bool Regex::accepts(const States& states, bool at_start) const {
  States ends;
  std::vector<char> seen(steps_.size(), 0);
  for (const std::int32_t each : states)
    add(ends, seen, each, at_start, true);
  return std::any_of(ends.begin(), ends.end(), [this](std::int32_t each) {
    return steps_[static_cast<std::size_t>(each)].kind == RegexStep::Kind::accept;
  });
}

void Regex::build_table() {
  if (steps_.size() > kMaximumSteps) return;
  std::map<States, std::uint16_t> numbers;
  std::vector<States> all;
  const auto number_of = [&](States states) -> std::optional<std::uint16_t> {
    const auto known = numbers.find(states);
    if (known != numbers.end()) return known->second;
    if (all.size() == kMaximumTable) return std::nullopt;
    const auto number = static_cast<std::uint16_t>(all.size());
    all.push_back(states);
    numbers.emplace(std::move(states), number);
    return number;
  };
  States start;
  std::vector<char> seen(steps_.size(), 0);
  add(start, seen, 0, true, false);
  std::sort(start.begin(), start.end());
  // The start is a separate state, because ^ holds only there; no transition leads to it.
  all.push_back(std::move(start));
  for (std::size_t row = 0; row < all.size(); ++row) {
    for (const char32_t boundary : boundaries_) {
      const auto number = number_of(advance(all[row], boundary));
      if (!number) {
        transitions_.clear();
        return;
      }
      transitions_.push_back(*number);
    }
  }
  for (std::size_t row = 0; row < all.size(); ++row)
    table_.push_back({accepts(all[row], row == 0), all[row].empty()});
}

bool Regex::simulate(std::string_view text) const {
  States states;
  std::vector<char> seen(steps_.size(), 0);
  add(states, seen, 0, true, false);
  for (std::size_t offset = 0; offset < text.size();) {
    const Rune rune = decode_rune(text, offset);
    states = advance(states, rune.value);
    offset += rune.width;
  }
  return accepts(states, text.empty());
}

bool Regex::matches(std::string_view text) const {
  if (text.size() < prefix_.size() || text.compare(0, prefix_.size(), prefix_) != 0) return false;
  if (text.size() < suffix_.size() ||
      text.compare(text.size() - suffix_.size(), suffix_.size(), suffix_) != 0)
    return false;
  if (!needle_.empty() && text.find(needle_) == std::string_view::npos) return false;
  if (table_.empty()) return simulate(text);
  const std::size_t width = boundaries_.size();
  std::size_t state = 0;
  for (std::size_t offset = 0; offset < text.size();) {
    const auto byte = static_cast<unsigned char>(text[offset]);
    std::size_t kind;
    if (byte < 128) {
      kind = ascii_class_[byte];
      ++offset;
    } else {
      const Rune rune = decode_rune(text, offset);
      kind = class_of(rune.value);
      offset += rune.width;
    }
    state = transitions_[state * width + kind];
    if (table_[state].dead) return false;
  }
  return table_[state].accept;
}

}  // namespace bottle::dockerfile
