// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_user.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"

namespace bottle::pack {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PackUserTest : public testing::Test {
 protected:
  std::string resolve(const std::string& user) {
    findings_ = {};
    const image::LoadedPlan plan = maker_.plan();
    store::Store store = store::Store::open(directory_.path() / "store");
    return resolvable_user(user, plan.merged(), plan.reader(store), findings_);
  }

  TemporaryDirectory directory_;
  test::PlanMaker maker_{directory_.path() / "context"};
  Findings findings_;
};

TEST_F(PackUserTest, NamesAreLookedUpInTheImage) {
  maker_.file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n")
      .file("etc/group", "staff:x:50:\n");
  for (const char* user : {"root", "app", "app:staff", "app:50", "4711", "4711:staff", "1000:1000"}) {
    EXPECT_EQ(resolve(user), user);
    EXPECT_THAT(findings_.warnings, IsEmpty()) << user;
  }
  EXPECT_EQ(resolve("web"), "web");
  EXPECT_THAT(findings_.warnings, ElementsAre(HasSubstr("\"web\" is not in the image's /etc/passwd")));
  EXPECT_EQ(resolve("app:web"), "app:web");
  EXPECT_THAT(findings_.warnings, ElementsAre(HasSubstr("\"web\" is not in the image's /etc/group")));
}

TEST_F(PackUserTest, RootNeedsNoAccount) {
  EXPECT_EQ(resolve("root"), "0");
  EXPECT_EQ(resolve("root:root"), "0:0");
  EXPECT_EQ(resolve("0"), "0");
  EXPECT_THAT(findings_.warnings, IsEmpty());
}

TEST_F(PackUserTest, AccountFilesMayBeLinks) {
  maker_.symlink("etc", "usr/etc").file("usr/etc/passwd", "app:x:1:1::/:\n");
  resolve("app");
  EXPECT_THAT(findings_.warnings, IsEmpty());
}

}  // namespace
}  // namespace bottle::pack
