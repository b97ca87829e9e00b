// SPDX-License-Identifier: Apache-2.0
#include "util/shared_text.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace bottle {
namespace {

TEST(SharedText, KeepsBytesAndComparesWithText) {
  const SharedText text(std::string_view("a\0b", 3));
  EXPECT_EQ(text.size(), 3u);
  EXPECT_EQ(text.view(), std::string_view("a\0b", 3));
  EXPECT_EQ(text.c_str()[3], '\0');
  EXPECT_EQ(text, std::string("a\0b", 3));
  EXPECT_FALSE(text == "a");
}

TEST(SharedText, EmptyTextIsEmpty) {
  SharedText cleared("x");
  cleared.clear();
  SharedText moved("x");
  const SharedText taken = std::move(moved);
  for (const SharedText& text : {SharedText(), SharedText(""), SharedText(std::string()), cleared}) {
    EXPECT_TRUE(text.empty());
    EXPECT_EQ(text.size(), 0u);
    EXPECT_STREQ(text.c_str(), "");
    EXPECT_EQ(text, SharedText());
  }
  EXPECT_EQ(taken, "x");
}

TEST(SharedText, CopiesHaveTheSameBytes) {
  SharedText text("some words");
  const SharedText copy = text;
  EXPECT_EQ(copy.c_str(), text.c_str());
  EXPECT_EQ(copy, SharedText("some words"));
  text = "others";
  EXPECT_EQ(copy, "some words");
  SharedText& same = text;
  text = same;
  EXPECT_EQ(text, "others");
}

// Under a sanitizer this checks that only the last owner frees the bytes.
TEST(SharedText, OwnersMayBeOnSeveralThreads) {
  const SharedText text("shared by all");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([mine = text] {
      for (int turn = 0; turn < 1000; ++turn) {
        const SharedText copy = mine;
        EXPECT_EQ(copy.size(), 13u);
      }
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(text, "shared by all");
}

}  // namespace
}  // namespace bottle
