// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/regex_parser.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

constexpr char32_t kLastRune = 0x10FFFF;
constexpr int kMaximumRepeat = 1000;
constexpr std::size_t kMaximumParseSteps = 200000;

[[noreturn]] void fail_regex(const std::string& message) {
  throw RegexError(message);
}

RegexSet sorted(RegexSet set) {
  std::sort(set.begin(), set.end(),
            [](const RegexRange& left, const RegexRange& right) { return left.first < right.first; });
  RegexSet merged;
  for (const RegexRange& range : set) {
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

RegexSet complement(const RegexSet& set) {
  RegexSet result;
  char32_t next = 0;
  for (const RegexRange& range : sorted(set)) {
    if (range.first > next) result.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastRune) result.push_back({next, kLastRune});
  return result;
}

struct NamedSet {
  std::string_view name;
  RegexSet set;
};

// The classes of POSIX brackets, ASCII only.
const std::vector<NamedSet>& named_sets() {
  static const std::vector<NamedSet> kSets{{"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
                                           {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
                                           {"ascii", {{0, 0x7F}}},
                                           {"blank", {{'\t', '\t'}, {' ', ' '}}},
                                           {"cntrl", {{0, 0x1F}, {0x7F, 0x7F}}},
                                           {"digit", {{'0', '9'}}},
                                           {"graph", {{'!', '~'}}},
                                           {"lower", {{'a', 'z'}}},
                                           {"print", {{' ', '~'}}},
                                           {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
                                           {"space", {{'\t', '\r'}, {' ', ' '}}},
                                           {"upper", {{'A', 'Z'}}},
                                           {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
                                           {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}}};
  return kSets;
}

std::optional<RegexSet> perl_set(char32_t letter) {
  switch (letter) {
    case 'd':
      return RegexSet{{'0', '9'}};
    case 's':
      return RegexSet{{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
    case 'w':
      return RegexSet{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    case 'D':
    case 'S':
    case 'W':
      return complement(*perl_set(letter - 'A' + 'a'));
    default:
      return std::nullopt;
  }
}

struct Tree {
  enum class Kind { set, sequence, choice, repeat, text_start, text_end } kind;
  RegexSet set = {};
  std::vector<Tree> parts = {};
  int least = 0;
  int most = -1;  // -1 without a limit
  bool literal = false;
};

class PatternParser {
 public:
  explicit PatternParser(std::string_view text) : text_(to_runes(text)) {}

  Tree parse() {
    Tree tree = choice();
    if (at_ < text_.size()) fail_regex("unexpected )");
    return tree;
  }

 private:
  bool more() const { return at_ < text_.size(); }
  char32_t peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : U'\0';
  }
  bool next_is(char32_t rune, std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() && text_[at_ + ahead] == rune;
  }

  Tree choice() {
    Tree tree{Tree::Kind::choice};
    tree.parts.push_back(sequence());
    while (next_is('|')) {
      ++at_;
      tree.parts.push_back(sequence());
    }
    return tree.parts.size() == 1 ? std::move(tree.parts.front()) : tree;
  }

  static Tree of_set(RegexSet set) { return {Tree::Kind::set, sorted(std::move(set))}; }
  static Tree of_rune(char32_t rune) {
    Tree tree{Tree::Kind::set, {{rune, rune}}};
    tree.literal = true;
    return tree;
  }

  Tree sequence() {
    Tree tree{Tree::Kind::sequence};
    bool repeated = false;  // one repetition cannot follow another
    while (more() && peek() != '|' && peek() != ')') {
      const char32_t rune = text_[at_];
      int least = 0;
      int most = -1;
      if (rune == '*' || rune == '+' || rune == '?' || (rune == '{' && counts(least, most))) {
        if (rune == '+') least = 1;
        if (rune == '?') most = 1;
        if (rune != '{') ++at_;
        if (tree.parts.empty()) fail_regex("missing argument to repetition operator");
        if (repeated) fail_regex("invalid nested repetition operator");
        Tree repeat{Tree::Kind::repeat};
        repeat.least = least;
        repeat.most = most;
        repeat.parts.push_back(std::move(tree.parts.back()));
        tree.parts.back() = std::move(repeat);
        repeated = true;
        continue;
      }
      repeated = false;
      item(tree);
    }
    return tree;
  }

  // "{2}", "{2,}", "{2,3}"; anything else after a brace leaves it an ordinary character.
  bool counts(int& least, int& most) {
    std::size_t at = at_ + 1;
    const auto number = [&](int& value) {
      const std::size_t start = at;
      value = 0;
      while (at < text_.size() && text_[at] >= '0' && text_[at] <= '9') {
        value = std::min(value * 10 + static_cast<int>(text_[at] - '0'), 100000);
        ++at;
      }
      return at > start && !(at - start > 1 && text_[start] == '0');
    };
    if (!number(least)) return false;
    most = least;
    if (at < text_.size() && text_[at] == ',') {
      ++at;
      if (at < text_.size() && text_[at] == '}') {
        most = -1;
      } else if (!number(most)) {
        return false;
      }
    }
    if (at >= text_.size() || text_[at] != '}') return false;
    if (least > kMaximumRepeat || most > kMaximumRepeat || (most >= 0 && least > most))
      fail_regex("invalid repeat count");
    at_ = at + 1;
    return true;
  }

  void item(Tree& sequence) {
    const char32_t rune = text_[at_];
    if (rune == '(') {
      ++at_;
      Tree group = choice();
      if (!next_is(')')) fail_regex("missing closing )");
      ++at_;
      sequence.parts.push_back(std::move(group));
    } else if (rune == '[') {
      sequence.parts.push_back(of_set(bracket()));
    } else if (rune == '.') {
      ++at_;
      sequence.parts.push_back(of_set(complement({{'\n', '\n'}})));
    } else if (rune == '^') {
      ++at_;
      sequence.parts.push_back({Tree::Kind::text_start});
    } else if (rune == '$') {
      ++at_;
      sequence.parts.push_back({Tree::Kind::text_end});
    } else if (rune == '\\') {
      escaped_item(sequence);
    } else {
      ++at_;
      sequence.parts.push_back(of_rune(rune));
    }
  }

  void escaped_item(Tree& sequence) {
    const char32_t rune = peek(1);
    if (rune == 'A' || rune == 'z') {
      at_ += 2;
      sequence.parts.push_back({rune == 'A' ? Tree::Kind::text_start : Tree::Kind::text_end});
    } else if (rune == 'Q') {
      at_ += 2;
      while (more() && !(peek() == '\\' && next_is('E', 1)))
        sequence.parts.push_back(of_rune(text_[at_++]));
      if (more()) at_ += 2;
    } else if (auto set = perl_set(rune)) {
      at_ += 2;
      sequence.parts.push_back(of_set(std::move(*set)));
    } else {
      sequence.parts.push_back(of_rune(escape()));
    }
  }

  char32_t hexadecimal() {
    const bool braced = next_is('{');
    if (braced) ++at_;
    char32_t value = 0;
    int digits = 0;
    while (more() && (braced || digits < 2)) {
      const std::size_t place = std::u32string_view(U"0123456789abcdef")
                                    .find(peek() >= 'A' && peek() <= 'F' ? peek() + 32 : peek());
      if (place == std::u32string_view::npos) break;
      value = value * 16 + static_cast<char32_t>(place);
      if (value > kLastRune) fail_regex("invalid escape sequence");
      ++digits;
      ++at_;
    }
    if (digits == 0 || (!braced && digits != 2)) fail_regex("invalid escape sequence");
    if (braced) {
      if (!next_is('}')) fail_regex("invalid escape sequence");
      ++at_;
    }
    return value;
  }

  // A backslash and what it escapes, one character.
  char32_t escape() {
    ++at_;
    if (!more()) fail_regex("trailing backslash");
    const char32_t rune = text_[at_++];
    const auto octal = [this]() { return more() && peek() >= '0' && peek() <= '7'; };
    if (rune >= '0' && rune <= '7') {
      if (rune != '0' && !octal()) fail_regex("invalid escape sequence");
      char32_t value = rune - '0';
      for (int digits = 1; digits < 3 && octal(); ++digits)
        value = value * 8 + (text_[at_++] - '0');
      return value;
    }
    if (rune == 'x') return hexadecimal();
    constexpr std::u32string_view kLetters = U"afnrtv";
    constexpr std::u32string_view kValues = U"\a\f\n\r\t\v";
    if (const std::size_t place = kLetters.find(rune); place != std::u32string_view::npos)
      return kValues[place];
    const bool alphanumeric =
        (rune >= '0' && rune <= '9') || (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
    if (rune >= 0x80 || alphanumeric) {
      std::string shown;
      append_rune(shown, rune);
      fail_regex("invalid escape sequence \\" + shown);
    }
    return rune;
  }

  bool named(RegexSet& set) {
    if (!next_is('[') || !next_is(':', 1)) return false;
    const std::size_t end = text_.find(U":]", at_ + 2);
    if (end == std::u32string::npos) return false;
    std::string name = from_runes(std::u32string_view(text_).substr(at_ + 2, end - at_ - 2));
    const bool negated = !name.empty() && name.front() == '^';
    if (negated) name.erase(0, 1);
    for (const NamedSet& each : named_sets()) {
      if (each.name != name) continue;
      const RegexSet found = negated ? complement(each.set) : each.set;
      set.insert(set.end(), found.begin(), found.end());
      at_ = end + 2;
      return true;
    }
    fail_regex("invalid character class range [:" + name + ":]");
  }

  char32_t bracket_rune() {
    if (!more()) fail_regex("missing closing ]");
    return peek() == '\\' ? escape() : text_[at_++];
  }

  RegexSet bracket() {
    ++at_;
    const bool negated = next_is('^');
    if (negated) ++at_;
    RegexSet set;
    for (bool first = true;; first = false) {
      if (!more()) fail_regex("missing closing ]");
      if (peek() == ']' && !first) break;
      if (named(set)) continue;
      if (peek() == '\\') {
        if (auto perl = perl_set(peek(1))) {
          at_ += 2;
          set.insert(set.end(), perl->begin(), perl->end());
          continue;
        }
      }
      const char32_t low = bracket_rune();
      char32_t high = low;
      if (next_is('-') && at_ + 1 < text_.size() && peek(1) != ']') {
        ++at_;
        high = bracket_rune();
        if (high < low) fail_regex("invalid character class range");
      }
      set.push_back({low, high});
    }
    ++at_;
    return negated ? complement(set) : sorted(std::move(set));
  }

  std::u32string text_;
  std::size_t at_ = 0;
};

class Compiler {
 public:
  RegexProgram compile(const Tree& tree) {
    emit(tree);
    push({RegexStep::Kind::accept});
    find_literals(tree);
    return std::move(program_);
  }

 private:
  std::int32_t here() const { return static_cast<std::int32_t>(program_.steps.size()); }
  std::size_t push(RegexStep step) {
    if (program_.steps.size() >= kMaximumParseSteps) fail_regex("expression is too large");
    program_.steps.push_back(step);
    return program_.steps.size() - 1;
  }

  void emit(const Tree& tree) {
    switch (tree.kind) {
      case Tree::Kind::set: {
        program_.sets.push_back(tree.set);
        const std::size_t step = push({RegexStep::Kind::set});
        program_.steps[step].set = static_cast<std::uint32_t>(program_.sets.size() - 1);
        program_.steps[step].next = here();
        break;
      }
      case Tree::Kind::sequence:
        for (const Tree& part : tree.parts)
          emit(part);
        break;
      case Tree::Kind::choice:
        emit_choice(tree, 0);
        break;
      case Tree::Kind::repeat:
        emit_repeat(tree);
        break;
      case Tree::Kind::text_start:
      case Tree::Kind::text_end: {
        const auto kind =
            tree.kind == Tree::Kind::text_start ? RegexStep::Kind::text_start : RegexStep::Kind::text_end;
        const std::size_t step = push({kind});
        program_.steps[step].next = here();
        break;
      }
    }
  }

  void emit_choice(const Tree& tree, std::size_t from) {
    std::vector<std::size_t> jumps;
    for (std::size_t index = from; index < tree.parts.size(); ++index) {
      if (index + 1 == tree.parts.size()) {
        emit(tree.parts[index]);
        break;
      }
      const std::size_t split = push({RegexStep::Kind::split});
      program_.steps[split].next = here();
      emit(tree.parts[index]);
      jumps.push_back(push({RegexStep::Kind::jump}));
      program_.steps[split].other = here();
    }
    for (const std::size_t jump : jumps)
      program_.steps[jump].next = here();
  }

  void emit_repeat(const Tree& tree) {
    const Tree& part = tree.parts.front();
    for (int count = 0; count < tree.least; ++count)
      emit(part);
    if (tree.most < 0) {
      const std::size_t split = push({RegexStep::Kind::split});
      program_.steps[split].next = here();
      emit(part);
      const std::size_t jump = push({RegexStep::Kind::jump});
      program_.steps[jump].next = static_cast<std::int32_t>(split);
      program_.steps[split].other = here();
      return;
    }
    std::vector<std::size_t> splits;
    for (int count = tree.least; count < tree.most; ++count) {
      splits.push_back(push({RegexStep::Kind::split}));
      program_.steps[splits.back()].next = here();
      emit(part);
    }
    for (const std::size_t split : splits)
      program_.steps[split].other = here();
  }

  void find_literals(const Tree& tree) {
    if (tree.kind != Tree::Kind::sequence || tree.parts.size() < 2) return;
    if (tree.parts.front().kind == Tree::Kind::text_start) {
      for (std::size_t index = 1; index < tree.parts.size() && tree.parts[index].literal; ++index) {
        append_rune(program_.prefix, tree.parts[index].set.front().first);
      }
    }
    if (tree.parts.back().kind == Tree::Kind::text_end) {
      std::size_t first = tree.parts.size() - 1;
      while (first > 0 && tree.parts[first - 1].literal)
        --first;
      for (; first + 1 < tree.parts.size(); ++first)
        append_rune(program_.suffix, tree.parts[first].set.front().first);
    }
    std::string run;
    for (const Tree& part : tree.parts) {
      if (!part.literal) {
        run.clear();
        continue;
      }
      append_rune(run, part.set.front().first);
      if (run.size() > program_.needle.size()) program_.needle = run;
    }
    // A replacement character stands for bytes that are not UTF-8, which compare as themselves.
    const std::string bad = "\xEF\xBF\xBD";
    if (program_.prefix.find(bad) != std::string::npos) program_.prefix.clear();
    if (program_.suffix.find(bad) != std::string::npos) program_.suffix.clear();
    if (program_.needle.find(bad) != std::string::npos) program_.needle.clear();
  }

  RegexProgram program_;
};

}  // namespace

RegexProgram parse_regex(std::string_view expression) {
  return Compiler().compile(PatternParser(expression).parse());
}

}  // namespace bottle::dockerfile
