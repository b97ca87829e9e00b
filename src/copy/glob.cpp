// SPDX-License-Identifier: Apache-2.0
#include "copy/glob.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::copy {
namespace {

struct Rune {
  char32_t value;
  std::size_t length;
};

// One UTF-8 sequence; a byte that begins none stands for itself, above the Unicode range so that it equals no
// character.
Rune decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return {first, 1};
  const Rune broken{0x110000u + first, 1};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
  if (length == 1 || first > 0xf4 || at + length > text.size()) return broken;
  char32_t value = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0u) != 0x80) return broken;
    value = (value << 6) | (byte(at + i) & 0x3fu);
  }
  return {value, length};
}

[[noreturn]] void malformed(std::string_view pattern, std::string_view why) {
  throw Error(fmt::format("malformed pattern \"{}\": {}", pattern, why),
              {.hint = "write \"[[]\" for a literal '[' and \"\\\\\" for a literal backslash"});
}

bool is_plain(std::string_view text) {
  return text.find_first_of("*?[]\\") == std::string_view::npos;
}

}  // namespace

bool has_wildcards(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '*' || text[i] == '?' || text[i] == '[') {
      return true;
    }
  }
  return false;
}

Glob::Glob(std::string_view pattern, Language language) {
  // Docker's matcher compares "**suffix" without further wildcards as a suffix, whatever is before it.
  if (language == Language::ignore && pattern.size() > 2 && pattern.substr(0, 2) == "**" &&
      pattern[2] != '/' && is_plain(pattern.substr(2))) {
    tokens_.push_back({Kind::everything});
    pattern.remove_prefix(2);
  }
  for (std::size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c == '*') {
      ++at;
      if (language == Language::file_path || at == pattern.size() || pattern[at] != '*') {
        tokens_.push_back({Kind::star});
        continue;
      }
      ++at;
      if (at < pattern.size() && pattern[at] == '/') ++at;
      if (at == pattern.size()) {
        tokens_.push_back({Kind::everything});
      } else {  // any number of whole directories
        tokens_.push_back({Kind::optional});
        tokens_.push_back({Kind::until_slash});
      }
    } else if (c == '?') {
      tokens_.push_back({Kind::any});
      ++at;
    } else if (c == '[') {
      at = parse_class(pattern, at + 1, language);
    } else {
      if (c == '\\' && ++at == pattern.size()) malformed(pattern, "trailing backslash");
      const Rune rune = decode(pattern, at);
      tokens_.push_back({Kind::literal, false, rune.value, {}});
      at += rune.length;
    }
  }
}

// Source of the syntax: the documentation of Match; '^' negates, '-' and ']' must be escaped to be members.
std::size_t Glob::parse_class(std::string_view pattern, std::size_t at, Language language) {
  Token token{Kind::class_};
  const auto member = [&] {
    if (at >= pattern.size()) malformed(pattern, "missing ']' after '['");
    if (pattern[at] == '-' || pattern[at] == ']') malformed(pattern, "empty class or incomplete range");
    if (pattern[at] == '\\' && ++at == pattern.size()) malformed(pattern, "trailing backslash");
    const Rune rune = decode(pattern, at);
    at += rune.length;
    return rune.value;
  };
  if (at < pattern.size() && pattern[at] == '^') {
    token.negated = true;
    ++at;
  }
  while (token.ranges.empty() || at >= pattern.size() || pattern[at] != ']') {
    const char32_t low = member();
    char32_t high = low;
    if (at < pattern.size() && pattern[at] == '-') {
      ++at;
      high = member();
      // Go's Match treats a range whose start is above its end as empty; its regular expressions refuse it.
      if (high < low && language == Language::ignore)
        malformed(pattern, "the start of a range is above its end");
    }
    token.ranges.emplace_back(low, high);
  }
  tokens_.push_back(std::move(token));
  return at + 1;
}

// The set of positions in the pattern that the path read so far can have led to.
class Glob::Run {
 public:
  explicit Run(const std::vector<Token>& tokens)
      : tokens_(tokens), now_(tokens.size() + 1), next_(tokens.size() + 1) {
    enter(now_, 0);
  }

  // False when no position is left.
  bool read(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const Rune rune = decode(text, at);
      at += rune.length;
      if (!step(rune.value)) return false;
    }
    return true;
  }
  bool accepted() const { return now_.back() != 0; }
  bool can_go_on() const {
    return std::any_of(now_.begin(), now_.end() - 1, [](char is_in) { return is_in != 0; });
  }

 private:
  void enter(std::vector<char>& set, std::size_t position) {
    if (set[position] != 0) return;
    set[position] = 1;
    if (position == tokens_.size()) return;
    switch (tokens_[position].kind) {
      case Kind::star:
      case Kind::everything:
        enter(set, position + 1);
        break;
      case Kind::optional:
        enter(set, position + 1);
        enter(set, position + 2);
        break;
      default:
        break;
    }
  }

  bool step(char32_t rune) {
    std::fill(next_.begin(), next_.end(), char{0});
    bool alive = false;
    const auto go = [&](std::size_t position) {
      enter(next_, position);
      alive = true;
    };
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (now_[i] == 0) continue;
      const Token& token = tokens_[i];
      switch (token.kind) {
        case Kind::literal:
          if (rune == token.literal) go(i + 1);
          break;
        case Kind::any:
          if (rune != U'/') go(i + 1);
          break;
        case Kind::star:
          if (rune != U'/') go(i);
          break;
        case Kind::everything:
          go(i);
          break;
        case Kind::class_: {
          const bool is_member =
              std::any_of(token.ranges.begin(), token.ranges.end(),
                          [&](const auto& range) { return range.first <= rune && rune <= range.second; });
          if (is_member != token.negated) go(i + 1);
          break;
        }
        case Kind::optional:
          break;  // enter() continued from it
        case Kind::until_slash:
          go(i);
          if (rune == U'/') go(i + 1);
          break;
      }
    }
    std::swap(now_, next_);
    return alive;
  }

  const std::vector<Token>& tokens_;
  std::vector<char> now_;
  std::vector<char> next_;
};

bool Glob::match(std::string_view path) const {
  Run run(tokens_);
  return run.read(path) && run.accepted();
}

bool Glob::could_match_below(std::string_view directory) const {
  Run run(tokens_);
  if (!directory.empty() && !(run.read(directory) && run.read("/"))) return false;
  return run.can_go_on();
}

PathPatterns::PathPatterns(const std::vector<std::string>& patterns) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  for (const std::string& written : patterns) {
    std::string_view text = written;
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
    if (text.empty()) continue;
    std::string cleaned = clean_path(text);
    bool exception = false;
    if (cleaned.front() == '!') {
      if (cleaned.size() == 1) {
        throw Error("illegal pattern \"!\"",
                    {.hint = "write the pattern of the files to keep after the \"!\""});
      }
      cleaned.erase(0, 1);
      exception = has_exceptions_ = true;
    }
    patterns_.push_back({Glob(cleaned, Glob::Language::ignore), exception});
  }
}

bool PathPatterns::match(std::string_view path) const {
  // Which patterns matched the directory above, from the top down: a match holds for all that is below.
  std::vector<char> matched(patterns_.size());
  for (std::size_t begin = 0;;) {
    const std::size_t end = path.find('/', begin);
    const std::string_view part = path.substr(0, end);
    bool result = false;
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      const Pattern& pattern = patterns_[i];
      if (matched[i] == 0 && pattern.exception == result && pattern.glob.match(part)) matched[i] = 1;
      if (matched[i] != 0) result = !pattern.exception;
    }
    if (end == std::string_view::npos) return result;
    begin = end + 1;
  }
}

bool PathPatterns::could_match_below(std::string_view directory) const {
  if (directory.empty()) return !patterns_.empty();
  return match(directory) || std::any_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) {
           return !pattern.exception && pattern.glob.could_match_below(directory);
         });
}

}  // namespace bottle::copy
