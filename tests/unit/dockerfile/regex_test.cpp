// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/regex.hpp"

#include <gtest/gtest.h>

namespace bottle::dockerfile {
namespace {

struct Row {
  const char* expression;
  const char* text;
  bool matches;
};

TEST(Regex, MatchesWholeTextOrPart) {
  const Row rows[] = {
      {"^a[^/]*$", "abc", true},
      {"^a[^/]*$", "a/c", false},
      {"^(.*/)?x$", "x", true},
      {"^(.*/)?x$", "a/b/x", true},
      {"^(.*/)?x$", "ax", false},
      {"^(.*/)?x$", "a\nb/x", false},
      {"^[a-c]x$", "bx", true},
      {"^[^a-c]x$", "bx", false},
      {"^[\\]a]$", "]", true},
      {"^[[:digit:]]$", "7", true},
      {"^\\d$", "7", true},
      {"^a|b[^/]*$", "axx", true},
      {"^a|b[^/]*$", "xxb", true},
      {"^a|b[^/]*$", "xx", false},
      {"^^a$", "a", true},
      {"^x^a$", "xa", false},
      {"^ab{2}$", "abb", true},
      {"^ab{2,3}$", "abbbb", false},
      {"^ab{x$", "ab{x", true},
      {"^\\x41$", "A", true},
      {"^[\xCE\xB1-\xCF\x89]$", "\xCE\xB6", true},
      {"^.$", "\xE2\x98\xBA", true},
      {"^[^/]$", "\xFF", true},
      {"b", "abc", true},
      {"^$", "", true},
      {"^$", "a", false},
  };
  for (const Row& row : rows)
    EXPECT_EQ(Regex(row.expression).matches(row.text), row.matches) << row.expression << " " << row.text;
}

TEST(Regex, RefusesInvalidExpressions) {
  for (const char* text : {"^[z-a]$", "^[a$", "^a*{2}$", "^*$a{1001}", "^\\q$", "^(a$", "^a)$", "^\\", "*",
                           "^a{3,2}$", "[[:nope:]]"}) {
    EXPECT_THROW(Regex{text}, RegexError) << text;
  }
}

TEST(Regex, LargeAutomataAreSimulated) {
  const Regex regex("^(.*/)?[^/]*a[^/]{12}$");
  EXPECT_TRUE(regex.matches("x/yya123456789012"));
  EXPECT_FALSE(regex.matches("x/yyb123456789012"));
}

}  // namespace
}  // namespace bottle::dockerfile
