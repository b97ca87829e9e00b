// SPDX-License-Identifier: Apache-2.0
#include "run/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace bottle::run {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

TEST(Message, KeepsAnyBytes) {
  const std::string odd("a\0:9:\n\xff", 7);
  const std::string text = message({"layer", "", odd});
  EXPECT_EQ(text, "5:layer0:7:" + odd);
  EXPECT_THAT(message_fields(text), Optional(ElementsAre("layer", "", odd)));
}

TEST(Message, IsWholeOrRefused) {
  const std::string text = message({"layer", "why", "index"});
  std::size_t whole = 0;
  for (std::size_t size = 0; size < text.size(); ++size)
    if (const auto fields = message_fields(text.substr(0, size))) {
      ++whole;  // after a field: what reads it misses the others
      EXPECT_LT(fields->size(), 3u) << size;
    }
  EXPECT_EQ(whole, 2u);
  for (const char* wrong : {"", "5", ":", "x:", "-1:", "18446744073709551616:", "6:layer"})
    EXPECT_FALSE(message_fields(wrong)) << wrong;
}

}  // namespace
}  // namespace bottle::run
