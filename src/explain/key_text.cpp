// SPDX-License-Identifier: Apache-2.0
#include "explain/key_text.hpp"

#include "util/text.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

namespace bottle::explain {
namespace {

// Line of a step that was aligned, or not (kNone).
constexpr std::size_t kNone = static_cast<std::size_t>(-1);
// Aligning is quadratic; a Dockerfile with more steps than this is compared by number.
constexpr std::size_t kMaximumAligned = 2000;

struct Step {
  std::string ordinal;
  std::string stage;
  std::string text;
  bool operator==(const Step& other) const { return stage == other.stage && text == other.text; }
};

struct Parsed {
  std::map<std::vector<std::string>, std::string> values;  // all but the steps
  std::vector<Step> steps;                                 // in order
};

Parsed parse(std::string_view text) {
  Parsed result;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    // Escaped words have neither '=' nor blanks, so the first " = " ends the subject.
    const std::size_t equals = line.find(" = ");
    std::vector<std::string> subject;
    for (const std::string_view word : split(line.substr(0, equals), ' '))
      subject.push_back(unescape_word(word).value_or(std::string(word)));
    std::string value(equals == std::string_view::npos ? "" : line.substr(equals + 3));
    if (subject.size() == 3 && subject[0] == "step" && parse_unsigned(subject[1]))
      result.steps.push_back({subject[1], subject[2], std::move(value)});
    else
      result.values[std::move(subject)] = std::move(value);
  }
  std::sort(result.steps.begin(), result.steps.end(), [](const Step& a, const Step& b) {
    return parse_unsigned(a.ordinal) < parse_unsigned(b.ordinal);
  });
  return result;
}

// For each old step the new one it stays as (longest common subsequence), or kNone.
std::vector<std::size_t> align(const std::vector<Step>& from, const std::vector<Step>& to) {
  std::vector<std::size_t> partner(from.size(), kNone);
  if (from.size() > kMaximumAligned || to.size() > kMaximumAligned) {
    for (std::size_t i = 0; i < std::min(from.size(), to.size()); ++i)
      if (from[i] == to[i]) partner[i] = i;
    return partner;
  }
  const std::size_t width = to.size() + 1;
  std::vector<std::uint16_t> length((from.size() + 1) * width, 0);
  for (std::size_t i = from.size(); i-- > 0;) {
    for (std::size_t j = to.size(); j-- > 0;) {
      length[i * width + j] = from[i] == to[j]
                                  ? static_cast<std::uint16_t>(length[(i + 1) * width + j + 1] + 1)
                                  : std::max(length[(i + 1) * width + j], length[i * width + j + 1]);
    }
  }
  for (std::size_t i = 0, j = 0; i < from.size() && j < to.size();) {
    if (from[i] == to[j])
      partner[i++] = j++;
    else if (length[(i + 1) * width + j] >= length[i * width + j + 1])
      ++i;
    else
      ++j;
  }
  return partner;
}

std::string instruction_word(const std::string& text) {
  return text.substr(0, text.find(' '));
}

// What lies between two aligned steps: the removed and the added, paired where they are the same instruction.
void compare_gap(const std::vector<Step>& from, std::size_t from_begin, std::size_t from_end,
                 const std::vector<Step>& to, std::size_t to_begin, std::size_t to_end,
                 std::vector<Change>& changes) {
  std::size_t next = to_begin;
  const auto added = [&](std::size_t end) {
    for (; next < end; ++next)
      changes.push_back({Change::Kind::added, {"step", to[next].ordinal, to[next].stage}, "", to[next].text});
  };
  for (std::size_t i = from_begin; i < from_end; ++i) {
    std::size_t match = next;
    while (match < to_end && (to[match].stage != from[i].stage ||
                              instruction_word(to[match].text) != instruction_word(from[i].text)))
      ++match;
    if (match < to_end) {
      added(match);
      changes.push_back({Change::Kind::changed,
                         {"step", to[match].ordinal, to[match].stage},
                         from[i].text,
                         to[match].text});
      next = match + 1;
    } else {
      changes.push_back({Change::Kind::removed, {"step", from[i].ordinal, from[i].stage}, from[i].text, ""});
    }
  }
  added(to_end);
}

void compare_steps(const std::vector<Step>& from, const std::vector<Step>& to, std::vector<Change>& changes) {
  const std::vector<std::size_t> partner = align(from, to);
  std::size_t from_begin = 0;
  std::size_t to_begin = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (partner[i] == kNone) continue;
    compare_gap(from, from_begin, i, to, to_begin, partner[i], changes);
    from_begin = i + 1;
    to_begin = partner[i] + 1;
  }
  compare_gap(from, from_begin, from.size(), to, to_begin, to.size(), changes);
}

// The order in which people look: what concerns everything first, files last.
std::size_t rank(const Change& change) {
  static constexpr std::array<std::string_view, 14> kOrder{
      "schema", "tool",  "zstd", "engine", "platform", "target", "epoch",
      "option", "label", "plan", "source", "runtime",  "step",   "argument"};
  const std::string& word = change.subject.front();
  if (word == "input") return kOrder.size() + 1;
  const auto found = std::find(kOrder.begin(), kOrder.end(), word);
  return static_cast<std::size_t>(found - kOrder.begin());
}

}  // namespace

std::vector<Change> compare_key_texts(std::string_view old_text, std::string_view new_text) {
  std::vector<Change> changes;
  if (old_text == new_text) return changes;
  const Parsed from = parse(old_text);
  const Parsed to = parse(new_text);
  auto a = from.values.begin();
  auto b = to.values.begin();
  while (a != from.values.end() || b != to.values.end()) {
    if (b == to.values.end() || (a != from.values.end() && a->first < b->first)) {
      changes.push_back({Change::Kind::removed, a->first, a->second, ""});
      ++a;
    } else if (a == from.values.end() || b->first < a->first) {
      changes.push_back({Change::Kind::added, b->first, "", b->second});
      ++b;
    } else {
      if (a->second != b->second) changes.push_back({Change::Kind::changed, a->first, a->second, b->second});
      ++a;
      ++b;
    }
  }
  compare_steps(from.steps, to.steps, changes);
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& x, const Change& y) { return rank(x) < rank(y); });
  return changes;
}

}  // namespace bottle::explain
