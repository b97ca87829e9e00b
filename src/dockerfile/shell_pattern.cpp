// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/shell_pattern.hpp"

#include <algorithm>
#include <vector>

#include "dockerfile/text.hpp"
#include "dockerfile/word_error.hpp"

namespace bottle::dockerfile {
namespace {

struct Token {
  enum class Kind { literal, any, run } kind;
  char32_t rune = 0;
};

std::vector<Token> tokens_of(std::u32string_view pattern) {
  std::vector<Token> tokens;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    const char32_t rune = pattern[at];
    if (rune == '*') {
      tokens.push_back({Token::Kind::run});
    } else if (rune == '?') {
      tokens.push_back({Token::Kind::any});
    } else if (rune == '\\') {
      const bool last = at + 1 == pattern.size();
      const char32_t next = last ? 0 : pattern[at + 1];
      if (!last && (next == '}' || next == '/')) continue;  // escaped for ${}, not part of the pattern
      if (last || (next != '*' && next != '?' && next != '\\')) {
        std::string shown = "\\";
        if (!last) append_rune(shown, next);
        throw WordError("invalid pattern (" + from_runes(pattern) + ") in substitution: invalid escape '" +
                        shown + "'");
      }
      tokens.push_back({Token::Kind::literal, next});
      ++at;
    } else {
      tokens.push_back({Token::Kind::literal, rune});
    }
  }
  return tokens;
}

// Where a match that starts at `start` ends. A table of reachable token positions keeps this free of
// backtracking.
std::optional<std::size_t> match_end(const std::vector<Token>& tokens, std::u32string_view value,
                                     std::size_t start, Reach reach) {
  std::vector<char> current(tokens.size() + 1, 0);
  std::vector<char> next(tokens.size() + 1, 0);
  const auto close = [&tokens](std::vector<char>& reached) {
    for (std::size_t at = 0; at < tokens.size(); ++at) {
      if (reached[at] && tokens[at].kind == Token::Kind::run) reached[at + 1] = 1;
    }
  };
  current[0] = 1;
  close(current);
  std::optional<std::size_t> end;
  for (std::size_t position = start;; ++position) {
    if (current[tokens.size()]) {
      end = position;
      if (reach == Reach::shortest) return end;
    }
    if (position == value.size()) return end;
    std::fill(next.begin(), next.end(), 0);
    bool alive = false;
    const bool line_end = value[position] == '\n';
    for (std::size_t at = 0; at < tokens.size(); ++at) {
      if (!current[at]) continue;
      switch (tokens[at].kind) {
        case Token::Kind::literal:
          if (tokens[at].rune != value[position]) continue;
          next[at + 1] = 1;
          break;
        case Token::Kind::any:
          if (line_end) continue;
          next[at + 1] = 1;
          break;
        case Token::Kind::run:
          if (line_end) continue;
          next[at] = 1;
          break;
      }
      alive = true;
    }
    if (!alive) return end;
    close(next);
    current.swap(next);
  }
}

std::u32string without_prefix(std::u32string_view pattern, const std::u32string& value, Reach reach) {
  const auto end = match_end(tokens_of(pattern), value, 0, reach);
  return end ? value.substr(*end) : value;
}

// Escapes stay before what they escape.
std::u32string reversed_pattern(std::u32string_view pattern) {
  std::u32string result;
  for (std::size_t at = pattern.size(); at > 0;) {
    std::size_t escapes = 0;
    while (escapes < at - 1 && pattern[at - 2 - escapes] == '\\')
      ++escapes;
    if (escapes % 2 == 1) {
      result += '\\';
      result += pattern[at - 1];
      at -= 2;
    } else {
      result += pattern[at - 1];
      at -= 1;
    }
  }
  return result;
}

bool name_rune(char32_t rune) {
  return rune == '_' || is_letter(rune) || is_digit(rune);
}

// The replacement of ${name//...} is a template whose only group is the whole match.
std::u32string filled(std::u32string_view replacement, std::u32string_view match) {
  std::u32string result;
  for (std::size_t at = 0; at < replacement.size();) {
    if (replacement[at] != '$') {
      result += replacement[at++];
      continue;
    }
    if (at + 1 < replacement.size() && replacement[at + 1] == '$') {
      result += '$';
      at += 2;
      continue;
    }
    const bool braced = at + 1 < replacement.size() && replacement[at + 1] == '{';
    const std::size_t first = at + (braced ? 2 : 1);
    std::size_t last = first;
    while (last < replacement.size() && name_rune(replacement[last]))
      ++last;
    if (last == first || (braced && (last == replacement.size() || replacement[last] != '}'))) {
      result += replacement[at++];
      continue;
    }
    const std::u32string_view name = replacement.substr(first, last - first);
    if (name == U"0") result += match;
    at = braced ? last + 1 : last;
  }
  return result;
}

}  // namespace

std::string remove_prefix(std::string_view pattern, std::string_view value, Reach reach) {
  return from_runes(without_prefix(to_runes(pattern), to_runes(value), reach));
}

std::string remove_suffix(std::string_view pattern, std::string_view value, Reach reach) {
  std::u32string reversed = to_runes(value);
  std::reverse(reversed.begin(), reversed.end());
  std::u32string rest = without_prefix(reversed_pattern(to_runes(pattern)), reversed, reach);
  std::reverse(rest.begin(), rest.end());
  return from_runes(rest);
}

std::string replace_pattern(std::string_view pattern, std::string_view value, std::string_view replacement,
                            Replace which) {
  const std::vector<Token> tokens = tokens_of(to_runes(pattern));
  const std::u32string text = to_runes(value);
  const std::u32string with = to_runes(replacement);
  std::u32string result;
  std::size_t copied = 0;  // the end of the last match
  for (std::size_t start = 0; start <= text.size();) {
    const auto end = match_end(tokens, text, start, Reach::longest);
    if (!end) {
      ++start;
      continue;
    }
    result.append(text, copied, start - copied);
    if (which == Replace::first) {
      result += with;
      copied = *end;
      break;
    }
    // An empty match right after another match is not replaced.
    if (*end > copied || start == 0)
      result += filled(with, std::u32string_view(text).substr(start, *end - start));
    copied = *end;
    start = *end > start ? *end : start + 1;
  }
  result.append(text, copied, std::u32string::npos);
  return from_runes(result);
}

}  // namespace bottle::dockerfile
