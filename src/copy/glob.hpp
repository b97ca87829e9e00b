// SPDX-License-Identifier: Apache-2.0
// The two pattern languages of COPY and ADD: wildcards in a source (Go's path/filepath.Match, which BuildKit
// uses: https://pkg.go.dev/path/filepath#Match) and the patterns of --exclude, --parents (Docker's ignore
// patterns: the same plus "**" and "!", a directory's match covers what is below it).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bottle::copy {

// True if the text holds an unescaped '*', '?' or '['.
bool has_wildcards(std::string_view text);

// One pattern, compiled. Runs in time (length of the pattern) x (length of the path) for any pattern.
class Glob {
 public:
  enum class Language {
    file_path,  // '*' and '?' stop at '/'
    ignore,     // the same, and "**" does not
  };

  // Throws on a malformed pattern: a class without end, an empty class, a trailing backslash.
  Glob(std::string_view pattern, Language language);

  bool match(std::string_view path) const;
  // Whether some path that begins with "<directory>/" can match.
  bool could_match_below(std::string_view directory) const;

 private:
  enum class Kind : std::uint8_t { literal, any, star, everything, class_, optional, until_slash };
  struct Token {
    Kind kind;
    bool negated = false;
    char32_t literal = 0;
    std::vector<std::pair<char32_t, char32_t>> ranges;
  };
  class Run;

  std::size_t parse_class(std::string_view pattern, std::size_t at, Language language);
  std::vector<Token> tokens_;
};

// An ordered list of ignore patterns; a later "!pattern" takes back what an earlier one matched.
class PathPatterns {
 public:
  PathPatterns() = default;
  // Empty patterns and blanks around a pattern are dropped. Throws on malformed ones.
  explicit PathPatterns(const std::vector<std::string>& patterns);

  // Whether the path, or a directory above it, is matched. Relative, without "." or "..".
  bool match(std::string_view path) const;
  // Whether something below the directory may be matched (never false when something is).
  bool could_match_below(std::string_view directory) const;
  // A "!pattern" is there: what is below a matched directory may still be unmatched.
  bool has_exceptions() const { return has_exceptions_; }
  bool empty() const { return patterns_.empty(); }

 private:
  struct Pattern {
    Glob glob;
    bool exception;
  };
  std::vector<Pattern> patterns_;
  bool has_exceptions_ = false;
};

}  // namespace bottle::copy
