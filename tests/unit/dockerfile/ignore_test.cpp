// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/ignore.hpp"
#include "util/path.hpp"

#include <gtest/gtest.h>

namespace bottle::dockerfile {
namespace {

using Words = std::vector<std::string>;

bool ignored(const Words& patterns, const char* path) {
  return IgnoreMatcher(patterns).matches(path);
}

TEST(Ignore, FilesAreParsed) {
  EXPECT_EQ(read_ignore_file("\xEF\xBB\xBF/a/\n\n# c\n ! /b//c \r\n #d\n./e/../f\n/\n"),
            (Words{"a", "!b/c", "#d", "f", "/"}));
}

TEST(Ignore, CleansPaths) {
  const std::pair<const char*, const char*> rows[] = {{"", "."},        {"a/", "a"},       {"/../a", "/a"},
                                                      {"../a", "../a"}, {"a/../..", ".."}, {"./a//b", "a/b"},
                                                      {"/", "/"}};
  for (const auto& [path, clean] : rows)
    EXPECT_EQ(clean_path(path), clean) << path;
}

TEST(Ignore, TheLastPatternDecides) {
  EXPECT_TRUE(ignored({"a"}, "a/b/c"));
  EXPECT_FALSE(ignored({"a"}, "ab"));
  EXPECT_FALSE(ignored({"a", "!a/b"}, "a/b/c"));
  EXPECT_TRUE(ignored({"!a/b", "a"}, "a/b/c"));
  EXPECT_TRUE(ignored({"a", "!a/b", "a/b/c"}, "a/b/c"));
  EXPECT_TRUE(ignored({"**/*.o"}, "x.o"));
  EXPECT_TRUE(ignored({"**/*.o"}, "d/e/x.o"));
  EXPECT_FALSE(ignored({"*.o"}, "d/x.o"));
  EXPECT_TRUE(ignored({"**/build"}, "d/build/x"));
  EXPECT_TRUE(ignored({"d/**"}, "d/x"));
  EXPECT_FALSE(ignored({"d/**"}, "d"));
}

TEST(Ignore, SpecialCharactersArePartlyQuoted) {
  // What the reference matcher does not quote in the expressions it makes has its meaning there.
  EXPECT_TRUE(ignored({"a|b*"}, "ax"));
  EXPECT_TRUE(ignored({"a|b"}, "a|b"));
  EXPECT_FALSE(ignored({"a|b"}, "a"));
  EXPECT_TRUE(ignored({"a{2}?"}, "aax"));
  EXPECT_TRUE(ignored({"v\\d"}, "v7"));
  EXPECT_TRUE(ignored({"a.c?"}, "a.cd"));
  EXPECT_FALSE(ignored({"a.c?"}, "abcd"));
}

TEST(Ignore, BadPatternsAreErrors) {
  for (const char* pattern : {"!", "[", "[]a]", "[-]", "a[", "\\", "[a-", "[x-]"}) {
    EXPECT_THROW(IgnoreMatcher({pattern}), IgnoreError) << pattern;
  }
  // A range the wrong way round is one only when it is needed.
  const IgnoreMatcher matcher({"a", "[z-a]"});
  EXPECT_TRUE(matcher.matches("a"));
  EXPECT_THROW(matcher.matches("b"), IgnoreError);
}

TEST(Ignore, WalksKeepTheResultsOfParents) {
  const IgnoreMatcher matcher({"a", "!a/keep/**", "**/*.tmp"});
  const IgnoreMatcher::Results root;
  IgnoreMatcher::Results a;
  IgnoreMatcher::Results keep;
  EXPECT_TRUE(matcher.matches("a", root, &a));
  EXPECT_FALSE(matcher.may_skip("a"));
  EXPECT_TRUE(matcher.matches("a/other", a, nullptr));
  EXPECT_TRUE(matcher.may_skip("a/other"));
  EXPECT_TRUE(matcher.matches("a/keep", a, &keep));
  EXPECT_FALSE(matcher.may_skip("a/keep"));
  EXPECT_FALSE(matcher.matches("a/keep/x", keep, nullptr));
  EXPECT_TRUE(matcher.matches("a/keep/x.tmp", keep, nullptr));
}

TEST(Ignore, WildcardExceptionsForbidSkipping) {
  EXPECT_FALSE(IgnoreMatcher({"a", "!**/x"}).may_skip("a"));
  EXPECT_TRUE(IgnoreMatcher({"a", "b/**"}).may_skip("a"));
  EXPECT_TRUE(IgnoreMatcher({"a", "!b"}).may_skip("a"));
}

TEST(Ignore, WalksDropUselessExceptions) {
  const IgnoreMatcher matcher({"x/y", "!x"});
  IgnoreMatcher::Results x;
  EXPECT_FALSE(matcher.matches("x/y"));
  EXPECT_FALSE(matcher.matches("x", {}, &x));
  EXPECT_TRUE(matcher.matches("x/y", x, nullptr));
}

TEST(Ignore, WithoutPatternsNothingIsIgnored) {
  EXPECT_TRUE(IgnoreMatcher().empty());
  EXPECT_FALSE(IgnoreMatcher().matches("a"));
}

}  // namespace
}  // namespace bottle::dockerfile
