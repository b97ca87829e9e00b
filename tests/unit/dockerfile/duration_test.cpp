// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/duration.hpp"

#include <gtest/gtest.h>

namespace bottle::dockerfile {
namespace {

TEST(Duration, ReadsAndWrites) {
  const std::pair<const char*, const char*> rows[] = {
      {"0", "0s"},
      {"1h", "1h0m0s"},
      {"90s", "1m30s"},
      {"1.5h", "1h30m0s"},
      {"100ms", "100ms"},
      {"1500us", "1.5ms"},
      {"1\xC2\xB5s", "1\xC2\xB5s"},
      {"17ns", "17ns"},
      {"1h2m3.004s", "1h2m3.004s"},
      {"-2s", "-2s"},
      {"+.5s", "500ms"},
      {"1m0.5s", "1m0.5s"},
  };
  for (const auto& [text, shown] : rows) {
    const auto duration = parse_duration(text);
    ASSERT_TRUE(duration) << text;
    EXPECT_EQ(format_duration(*duration), shown) << text;
  }
}

TEST(Duration, RefusesOtherText) {
  for (const char* text : {"", "1", "s", ".s", "1x", "1s2", "- 1s", "9999999h", "1 s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

}  // namespace
}  // namespace bottle::dockerfile
