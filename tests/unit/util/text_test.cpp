// SPDX-License-Identifier: Apache-2.0
#include "util/text.hpp"

#include <gtest/gtest.h>

namespace bottle {
namespace {

TEST(EscapeWord, LeavesNoSeparator) {
  EXPECT_EQ(escape_word("src/hello.c"), "src/hello.c");
  EXPECT_EQ(escape_word("a b=c%d\n\t\x7f"), "a%20b%3Dc%25d%0A%09%7F");
  EXPECT_EQ(escape_word("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(escape_word(std::string_view("\0", 1)), "%00");
}

TEST(EscapeWord, EveryByteComesBack) {
  std::string all;
  for (int code = 0; code < 256; ++code)
    all += static_cast<char>(code);
  EXPECT_EQ(unescape_word(escape_word(all)), all);
}

TEST(UnescapeWord, RefusesBrokenEscapes) {
  EXPECT_EQ(unescape_word("a%41"), "aA");
  EXPECT_EQ(unescape_word("%"), std::nullopt);
  EXPECT_EQ(unescape_word("a%4"), std::nullopt);
  EXPECT_EQ(unescape_word("%zz"), std::nullopt);
  EXPECT_EQ(unescape_word("%-1"), std::nullopt);
}

TEST(ParseUnsigned, TakesWholeNumbersOnly) {
  EXPECT_EQ(parse_unsigned("0"), 0u);
  EXPECT_EQ(parse_unsigned("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_unsigned("755", 8), 0755u);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1x", "18446744073709551616"})
    EXPECT_EQ(parse_unsigned(text), std::nullopt) << text;
}

TEST(HumanSize, ChoosesTheUnit) {
  EXPECT_EQ(human_size(0), "0 B");
  EXPECT_EQ(human_size(1023), "1023 B");
  EXPECT_EQ(human_size(1536), "1.5 KiB");
  EXPECT_EQ(human_size(3435973837), "3.2 GiB");
  EXPECT_EQ(human_size((1u << 20) - 1), "1.0 MiB");  // never "1024.0 KiB"
}

TEST(Nearest, FindsTypingMistakesOnly) {
  const std::vector<std::string> names{"--max-size", "--max-age", "--dry-run"};
  EXPECT_EQ(nearest("--max-sise", names), "--max-size");
  EXPECT_EQ(nearest("--maxage", names), "--max-age");
  EXPECT_EQ(nearest("--verbose", names), std::nullopt);
  const std::vector<std::string> options{"--ssh", "--file", "-t", "--tag", "--target"};
  EXPECT_EQ(nearest("--push", options), std::nullopt);
  EXPECT_EQ(nearest("--tga", options), "--tag");
  EXPECT_EQ(nearest("--flie", options), "--file");
  EXPECT_EQ(nearest("bsae", std::vector<std::string>{"bash", "base"}), "base");
  EXPECT_EQ(nearest("x", std::vector<std::string>{}), std::nullopt);
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string_view>{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), std::vector<std::string_view>{""});
}

}  // namespace
}  // namespace bottle
