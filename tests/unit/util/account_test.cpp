// SPDX-License-Identifier: Apache-2.0
#include "util/account.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "util/parallel.hpp"

namespace bottle {
namespace {

// getpwuid() has one answer for all threads: asked by several it is torn.
TEST(UserAccount, IsThatOfTheUserDatabaseInEveryThread) {
  const passwd* expected = ::getpwuid(::getuid());
  const std::optional<Account> account = user_account();
  ASSERT_EQ(account.has_value(), expected != nullptr);
  if (expected == nullptr) GTEST_SKIP() << "this user is not in the database";
  EXPECT_EQ(account->name, expected->pw_name);
  EXPECT_EQ(account->home, expected->pw_dir);

  std::vector<std::string> names(64);
  parallel_for(names.size(), 4, [&](std::size_t i) { names[i] = user_account()->name; });
  EXPECT_THAT(names, testing::Each(account->name));
}

}  // namespace
}  // namespace bottle
