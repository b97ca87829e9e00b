// SPDX-License-Identifier: Apache-2.0
#include "oci/entry.hpp"

#include <gtest/gtest.h>

namespace bottle::oci {
namespace {

TEST(Entry, SplitsBaseNameAndParent) {
  EXPECT_EQ(base_name("a/b/c"), "c");
  EXPECT_EQ(base_name("a"), "a");
  EXPECT_EQ(parent_path("a/b/c"), "a/b");
  EXPECT_EQ(parent_path("a"), "");
  EXPECT_EQ(parent_path(""), "");
}

TEST(Entry, NormalizePathNeverLeavesTheRoot) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},        {"/", ""},           {".", ""},        {"./", ""},
      {"a", "a"},      {"/a/b", "a/b"},     {"a//b/", "a/b"}, {"./a/./b", "a/b"},
      {"a/../b", "b"}, {"..", ""},          {"../../x", "x"}, {"a/../../x", "x"},
      {"a/b/..", "a"}, {"/../a/../..", ""}, {"...", "..."},   {"a/..b", "a/..b"}};
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(normalize_path(text), expected) << text;
}

TEST(Entry, AcceptsNormalRelativePathsOnly) {
  for (const char* good : {"", "a", "a/b", "..a", "a/...", ".wh.x"})
    EXPECT_TRUE(is_entry_path(good)) << good;
  for (const char* bad : {"/", "/a", "a/", "a//b", ".", "..", "a/.", "a/../b", "./a"})
    EXPECT_FALSE(is_entry_path(bad)) << bad;
  EXPECT_FALSE(is_entry_path(std::string_view("a\0b", 3)));
  EXPECT_TRUE(is_entry_path(std::string(255, 'x')));
  EXPECT_FALSE(is_entry_path(std::string(256, 'x')));
  std::string deep = "a";
  while (deep.size() < kMaximumPath)
    deep += "/a";
  EXPECT_EQ(deep.size(), kMaximumPath);
  EXPECT_TRUE(is_entry_path(deep));
  EXPECT_FALSE(is_entry_path(deep + "a"));
}

}  // namespace
}  // namespace bottle::oci
