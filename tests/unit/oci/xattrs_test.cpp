// SPDX-License-Identifier: Apache-2.0
#include "oci/xattrs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bottle::oci {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(Xattrs, EmptyHasNoAttributes) {
  Xattrs xattrs;
  EXPECT_TRUE(xattrs.empty());
  EXPECT_EQ(xattrs.begin(), xattrs.end());
  xattrs.remove_if([](const auto&) { return true; });
  EXPECT_EQ(xattrs, Xattrs(Xattrs::List{}));
}

TEST(Xattrs, SetAddsAndReplacesInOrder) {
  Xattrs xattrs{{"user.b", "1"}};
  xattrs.set("user.c", "2");
  xattrs.set("user.a", "3");
  xattrs.set("user.b", "4");
  EXPECT_THAT(xattrs, ElementsAre(Pair("user.a", "3"), Pair("user.b", "4"), Pair("user.c", "2")));
  xattrs.remove_if([](const auto& pair) { return pair.first != "user.b"; });
  EXPECT_THAT(xattrs, ElementsAre(Pair("user.b", "4")));
}

TEST(Xattrs, CopiesAreIndependent) {
  const Xattrs one{{"user.a", "1"}};
  Xattrs copy = one;
  EXPECT_EQ(copy, one);
  copy.set("user.a", "2");
  EXPECT_NE(copy, one);
  EXPECT_EQ(one.back().second, "1");
  copy = Xattrs(one);
  EXPECT_EQ(copy, one);
  copy.clear();
  EXPECT_NE(copy, one);  // as long as one of them has some
}

}  // namespace
}  // namespace bottle::oci
