// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/words.hpp"

#include <gtest/gtest.h>

namespace bottle::dockerfile {
namespace {

using Words = std::vector<std::string>;

Environment sample() {
  const Words lines{"name=value",  "empty=",    "path=/usr/lib/libx.so.1", "spaced=a  b", "dollar=$1",
                    "stars=a*b*c", "whole=<$0>"};
  return Environment::from_lines(lines);
}

struct Row {
  const char* word;
  const char* expected;  // nullptr for an error
};

TEST(Words, ExpandsToOneString) {
  const Row rows[] = {
      {"plain", "plain"},
      {"$name", "value"},
      {"${name}x", "valuex"},
      {"$name_x$", "$"},
      {"'$name'", "$name"},
      {"\"$name's\"", "value's"},
      {"\\$name", "$name"},
      {"\"\\$name \\x\"", "$name \\x"},
      {"a\\", "a"},
      {"$missing-", "-"},
      {"${missing:-$name}", "value"},
      {"${empty:-w}", "w"},
      {"${empty-w}", ""},
      {"${name:+w}", "w"},
      {"${empty:+w}", ""},
      {"${empty+w}", "w"},
      {"${missing+w}", ""},
      {"${name:?no}", "value"},
      {"${missing:?no}", nullptr},
      {"${empty?no}", ""},
      {"${empty:?}", nullptr},
      {"${path#*/}", "usr/lib/libx.so.1"},
      {"${path##*/}", "libx.so.1"},
      {"${path%.*}", "/usr/lib/libx.so"},
      {"${path%%.*}", "/usr/lib/libx"},
      {"${path#/?s}", "r/lib/libx.so.1"},
      {"${path/lib/x}", "/usr/x/libx.so.1"},
      {"${path//lib/x}", "/usr/x/xx.so.1"},
      {"${path//\\//-}", "-usr-lib-libx.so.1"},
      {"${stars//\\*/+}", "a+b+c"},
      {"${stars/b/}", "a**c"},
      {"${name//a/$whole}", "v<a>lue"},
      {"${name//v*/$dollar}", ""},
      {"${name/v*/$dollar}", "$1"},
      {"${path#\\x}", nullptr},
      {"${name:#x}", nullptr},
      {"${name", nullptr},
      {"${}", nullptr},
      {"${name!}", nullptr},
      {"${name/x}", nullptr},
      {"'open", nullptr},
      {"\"open", nullptr},
  };
  for (const Row& row : rows) {
    try {
      const std::string found = expand(row.word, sample()).text;
      if (row.expected == nullptr) {
        ADD_FAILURE() << row.word << " gave " << found << ", expected an error";
      } else {
        EXPECT_EQ(found, row.expected) << row.word;
      }
    } catch (const WordError& error) {
      EXPECT_EQ(row.expected, nullptr) << error.what();
    }
  }
}

TEST(Words, SplitsUnquotedText) {
  EXPECT_EQ(expand("$spaced \"$spaced\"", sample()).words, (Words{"a", "b", "a  b"}));
  EXPECT_EQ(expand("  ", sample()).words, Words{});
  EXPECT_EQ(expand("x\\ y z", sample()).words, (Words{"x y", "z"}));
}

TEST(Words, BacktickCanBeTheEscape) {
  EXPECT_EQ(expand("c:\\$name`$", sample(), {.escape = '`'}).text, "c:\\value$");
}

TEST(Words, RawModesKeepQuotesAndEscapes) {
  EXPECT_EQ(expand("'a'\\$\"$name\"", sample(), {.raw_quotes = true}).text, "'a'$\"value\"");
  EXPECT_EQ(expand("\\$name", sample(), {.raw_escapes = true}).text, "\\$name");
  EXPECT_EQ(expand("it's $name", sample(), {.plain_quotes = true}).text, "it's value");
}

TEST(Words, UnsetReferencesCanStay) {
  const ExpandOptions options{.skip_unset = true};
  EXPECT_EQ(expand("$a ${b} ${c:-d} ${e%f} ${g/h/i} $name", sample(), options).text,
            "$a ${b} ${c:-d} ${e%f} ${g/h/i} value");
}

TEST(Words, ReportsUsedNames) {
  const Expansion expansion = expand("$name ${missing:-$path} $missing", sample());
  EXPECT_EQ(expansion.used, (Words{"name", "path"}));
  EXPECT_EQ(expansion.unset, Words{"missing"});
}

TEST(Words, DeepNestingIsRefused) {
  std::string word;
  for (int depth = 0; depth < 5000; ++depth)
    word += "${a:-";
  EXPECT_THROW(expand(word, sample()), WordError);
}

TEST(Words, MessagesNameTheWord) {
  try {
    expand("'a\\'b'", sample());
    FAIL();
  } catch (const WordError& error) {
    EXPECT_EQ(error.message(),
              "failed to process \"'a\\\\'b'\": unexpected end of statement while looking for matching "
              "single-quote");
  }
}

TEST(Environment, KeepsTheOrderOfFirstDefinition) {
  Environment environment({{"b", "1"}, {"a", "2"}, {"b", "3"}});
  EXPECT_EQ(environment.lines(), (Words{"b=3", "a=2"}));
  EXPECT_TRUE(environment.erase("b"));
  EXPECT_FALSE(environment.erase("b"));
  EXPECT_EQ(environment.find("b"), std::nullopt);
}

}  // namespace
}  // namespace bottle::dockerfile
