// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/ignore.hpp"

#include <algorithm>
#include <optional>

#include "dockerfile/regex.hpp"
#include "dockerfile/text.hpp"
#include "util/path.hpp"

namespace bottle::dockerfile {
namespace {

// The syntax of one pattern element [a-z] as filepath.Match reads it: no "-" or "]" that is not escaped.
bool valid_bracket_rune(std::string_view pattern, std::size_t& at) {
  if (at >= pattern.size() || pattern[at] == '-' || pattern[at] == ']') return false;
  if (pattern[at] == '\\' && ++at >= pattern.size()) return false;
  const Rune rune = decode_rune(pattern, at);
  if (rune.value == kReplacement && rune.width == 1) return false;
  at += rune.width;
  return at < pattern.size();
}

bool valid_syntax(std::string_view pattern) {
  for (std::size_t at = 0; at < pattern.size();) {
    if (pattern[at] == '\\') {
      if (++at >= pattern.size()) return false;
      ++at;
    } else if (pattern[at] != '[') {
      ++at;
    } else {
      ++at;
      if (at < pattern.size() && pattern[at] == '^') ++at;
      for (int ranges = 0; ranges == 0 || at >= pattern.size() || pattern[at] != ']'; ++ranges) {
        if (!valid_bracket_rune(pattern, at)) return false;
        if (pattern[at] == '-' && !valid_bracket_rune(pattern, ++at)) return false;
      }
      ++at;
    }
  }
  return true;
}

enum class MatchKind { exact, prefix, suffix, regex };

struct Translation {
  MatchKind kind = MatchKind::exact;
  std::string expression;
};

// The kind of comparison a pattern needs, and its regular expression. Only . + ( ) $ are quoted in it.
Translation translated(std::string_view pattern) {
  Translation result{MatchKind::exact, "^"};
  std::string& expression = result.expression;
  const auto next_is = [&](std::size_t at, char character) {
    return at < pattern.size() && pattern[at] == character;
  };
  for (std::size_t at = 0, count = 0; at < pattern.size(); ++count) {
    const char character = pattern[at++];
    if (character == '*' && next_is(at, '*')) {
      ++at;
      if (next_is(at, '/')) ++at;
      if (at < pattern.size()) {
        expression += "(.*/)?";
        result.kind = MatchKind::regex;
      } else if (result.kind == MatchKind::exact) {
        result.kind = MatchKind::prefix;
      } else {
        expression += ".*";
        result.kind = MatchKind::regex;
      }
      if (count == 0) result.kind = MatchKind::suffix;
    } else if (character == '*') {
      expression += "[^/]*";
      result.kind = MatchKind::regex;
    } else if (character == '?') {
      expression += "[^/]";
      result.kind = MatchKind::regex;
    } else if (std::string_view(".+()$").find(character) != std::string_view::npos) {
      expression += '\\';
      expression += character;
    } else if (character == '\\') {
      expression += '\\';
      if (at < pattern.size()) {
        const std::size_t width = decode_rune(pattern, at).width;
        expression += pattern.substr(at, width);
        at += width;
        result.kind = MatchKind::regex;
      }
    } else {
      expression += character;
      if (character == '[' || character == ']') result.kind = MatchKind::regex;
    }
  }
  expression += "$";
  return result;
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.compare(0, start.size(), start) == 0;
}

std::string_view without_trailing_glob(std::string_view pattern) {
  if (pattern.ends_with("/**")) pattern.remove_suffix(3);
  if (pattern.ends_with("/*")) pattern.remove_suffix(2);
  return pattern;
}

}  // namespace

struct IgnoreMatcher::Pattern {
  bool exception = false;
  MatchKind kind = MatchKind::exact;
  std::string text;           // what to compare with, for all kinds but regex
  std::string_view original;  // in patterns_
  std::optional<Regex> regex;
  std::string fault;  // thrown when the pattern is needed

  bool matches(std::string_view path) const {
    switch (kind) {
      case MatchKind::exact:
        return path == text;
      case MatchKind::prefix:
        return starts_with(path, text);
      case MatchKind::suffix:
        // "**/foo" is also "foo".
        return path.ends_with(text) ||
               (text.size() > 1 && text[0] == '/' && path == std::string_view(text).substr(1));
      case MatchKind::regex:
        if (!regex) {
          throw IgnoreError("bad pattern " + in_quotes(original) + ": " + fault,
                            {.where = {}, .hint = "correct the pattern in the ignore file"});
        }
        return regex->matches(path);
    }
    return false;
  }

  // Directories above `path`, outermost first.
  bool matches_parent(std::string_view path) const {
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
      if (matches(path.substr(0, slash))) return true;
    }
    return false;
  }
};

std::vector<std::string> read_ignore_file(std::string_view text) {
  std::vector<std::string> patterns;
  if (starts_with(text, "\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.front() == '#') continue;
    line = trim_space(line);
    if (line.empty()) continue;
    const bool exception = line.front() == '!';
    if (exception) line = trim_space(line.substr(1));
    std::string pattern;
    if (!line.empty()) {
      pattern = clean_path(line);
      if (pattern.size() > 1 && pattern.front() == '/') pattern.erase(0, 1);
    }
    patterns.push_back((exception ? "!" : "") + pattern);
  }
  return patterns;
}

IgnoreMatcher::IgnoreMatcher() = default;
IgnoreMatcher::~IgnoreMatcher() = default;
IgnoreMatcher::IgnoreMatcher(IgnoreMatcher&&) noexcept = default;
IgnoreMatcher& IgnoreMatcher::operator=(IgnoreMatcher&&) noexcept = default;

IgnoreMatcher::IgnoreMatcher(const std::vector<std::string>& patterns) {
  for (const std::string& each : patterns) {
    const std::string_view trimmed = trim_space(each);
    if (trimmed.empty()) continue;
    std::string text = clean_path(trimmed);
    Pattern pattern;
    pattern.exception = text.front() == '!';
    if (pattern.exception) {
      text.erase(0, 1);
      if (text.empty()) {
        throw IgnoreError("bad pattern \"!\": no pattern follows it",
                          {.where = {}, .hint = "write the pattern of the files to keep after the \"!\""});
      }
      has_exceptions_ = true;
    }
    if (!valid_syntax(text)) {
      throw IgnoreError(
          "bad pattern " + in_quotes(text) + ": syntax error",
          {.where = {}, .hint = "close the bracket, and write a backslash before a literal [, ], - or \\"});
    }
    Translation translation = translated(text);
    pattern.kind = translation.kind;
    if (pattern.kind == MatchKind::exact) {
      pattern.text = text;
    } else if (pattern.kind == MatchKind::prefix) {
      pattern.text = text.substr(0, text.size() - 2);
    } else if (pattern.kind == MatchKind::suffix) {
      pattern.text = text.substr(2);
    } else {
      try {
        pattern.regex.emplace(translation.expression);
      } catch (const RegexError& error) {
        pattern.fault = error.message();
      }
    }
    if (pattern.exception && without_trailing_glob(text).find_first_of("*[]?^\\") != std::string_view::npos) {
      plain_exceptions_ = false;
    }
    patterns_.push_back(std::move(text));
    compiled_.push_back(std::move(pattern));
  }
  for (std::size_t index = 0; index < compiled_.size(); ++index)
    compiled_[index].original = patterns_[index];
}

bool IgnoreMatcher::empty() const {
  return compiled_.empty();
}
bool IgnoreMatcher::has_exceptions() const {
  return has_exceptions_;
}
const std::vector<std::string>& IgnoreMatcher::patterns() const {
  return patterns_;
}
bool IgnoreMatcher::is_exception(std::size_t pattern) const {
  return compiled_[pattern].exception;
}

bool IgnoreMatcher::matches(std::string_view path) const {
  bool ignored = false;
  for (const Pattern& pattern : compiled_) {
    // A pattern that could only say again what holds already is not asked.
    if (pattern.exception != ignored) continue;
    if (pattern.matches(path) || pattern.matches_parent(path)) ignored = !pattern.exception;
  }
  return ignored;
}

bool IgnoreMatcher::matches(std::string_view path, const Results& parent, Results* own) const {
  if (own != nullptr) own->matched.assign(compiled_.size(), 0);
  bool ignored = false;
  const bool known = !parent.matched.empty();
  for (std::size_t index = 0; index < compiled_.size(); ++index) {
    const Pattern& pattern = compiled_[index];
    bool match = known && parent.matched[index];
    if (!match) {
      if (pattern.exception != ignored) continue;
      match = pattern.matches(path) || (!known && pattern.matches_parent(path));
    }
    if (match) ignored = !pattern.exception;
    if (own != nullptr) own->matched[index] = static_cast<char>(match);
  }
  return ignored;
}

bool IgnoreMatcher::may_skip(std::string_view directory) const {
  if (!has_exceptions_) return true;
  if (!plain_exceptions_) return false;
  const std::string below = std::string(directory) + "/";
  return std::none_of(compiled_.begin(), compiled_.end(), [&](const Pattern& pattern) {
    return pattern.exception &&
           starts_with(std::string(without_trailing_glob(pattern.original)) + "/", below);
  });
}

}  // namespace bottle::dockerfile
