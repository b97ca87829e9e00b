// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/text.hpp"

#include <gtest/gtest.h>

namespace bottle::dockerfile {
namespace {

TEST(Text, RunesSurviveARoundTrip) {
  const std::string text = "a\xC3\xA4\xED\x95\x9C\xF0\x9F\x98\x80";
  EXPECT_EQ(from_runes(to_runes(text)), text);
  EXPECT_EQ(to_runes(text).size(), 4u);
}

TEST(Text, BytesThatAreNotUtf8AreReplaced) {
  for (const char* bad : {"\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    const Rune rune = decode_rune(bad, 0);
    EXPECT_EQ(rune.value, kReplacement) << bad;
    EXPECT_EQ(rune.width, 1u) << bad;
  }
  EXPECT_EQ(decode_rune("", 0).width, 0u);
}

TEST(Text, TrimsUnicodeSpace) {
  EXPECT_EQ(trim_space(" \t\xC2\xA0x y\xE2\x80\x83\n"), "x y");
  EXPECT_EQ(trim_space(" \t "), "");
  EXPECT_EQ(trim_space("\xFFx"), "\xFFx");
}

TEST(Text, RecognizesLettersOfAllScripts) {
  EXPECT_TRUE(is_letter(U'z'));
  EXPECT_TRUE(is_letter(U'\u00E4'));
  EXPECT_TRUE(is_letter(U'\uD55C'));
  EXPECT_FALSE(is_letter(U'1'));
  EXPECT_FALSE(is_letter(U'\u20AC'));
  EXPECT_TRUE(is_digit(U'\u0663'));
  EXPECT_FALSE(is_digit(U'\u00B2'));
}

TEST(Text, QuotesLikeGo) {
  EXPECT_EQ(in_quotes("plain"), "\"plain\"");
  EXPECT_EQ(in_quotes("a\"b\\c\n\t"), "\"a\\\"b\\\\c\\n\\t\"");
  EXPECT_EQ(in_quotes(std::string_view("\x01\x7f\xff", 3)), "\"\\x01\\x7f\\xff\"");
  EXPECT_EQ(in_quotes("\xC3\xA4\xC2\xA0"), "\"\xC3\xA4\\u00a0\"");
}

TEST(Text, SplitsAtBlanks) {
  EXPECT_EQ(split_blanks("a  b\tc"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(split_blanks("").empty());
}

TEST(Text, FindsTheNearestName) {
  const std::vector<std::string> names{"from", "chown", "chmod"};
  EXPECT_EQ(nearest("form", std::span<const std::string>(names)), "from");
  EXPECT_EQ(nearest("chmodd", std::span<const std::string>(names)), "chmod");
  EXPECT_EQ(nearest("platform", std::span<const std::string>(names)), "");
  EXPECT_EQ(nearest("from", std::span<const std::string>(names)), "");
}

}  // namespace
}  // namespace bottle::dockerfile
