// SPDX-License-Identifier: Apache-2.0
#include "util/base64.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace bottle {
namespace {

constexpr Base64 kForms[] = {Base64::canonical, Base64::padded, Base64::loose};

TEST(Base64Test, EncodesAndDecodes) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"user:p\xc3\xa4ss", "dXNlcjpww6Rzcw=="}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(encode_base64(bytes), text);
    for (const Base64 form : kForms)
      EXPECT_EQ(decode_base64(text, form), bytes);
  }
}

TEST(Base64Test, FormsDiffer) {
  struct Row {
    const char* text;
    bool canonical, padded, loose;
  };
  for (const Row& row : {Row{"Zh==", false, true, true},  // bits are left over
                         Row{"Zg", false, false, true}, Row{"Zm9v\r\nZg==\n", false, false, true},
                         Row{"-_-_", false, false, true}, Row{"Zg==Zg==", false, false, false},
                         Row{"Z", false, false, false}, Row{"A===", false, false, false},
                         Row{"====", false, false, true}, Row{"Zm 9", false, false, false}}) {
    EXPECT_EQ(decode_base64(row.text, Base64::canonical).has_value(), row.canonical) << row.text;
    EXPECT_EQ(decode_base64(row.text, Base64::padded).has_value(), row.padded) << row.text;
    EXPECT_EQ(decode_base64(row.text, Base64::loose).has_value(), row.loose) << row.text;
  }
}

}  // namespace
}  // namespace bottle
