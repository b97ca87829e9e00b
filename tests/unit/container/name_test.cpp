// SPDX-License-Identifier: Apache-2.0
#include "container/name.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "util/error.hpp"

namespace bottle::container {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "" if it throws no Error.
template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(ContainerName, TriesNamesUpToTheLimit) {
  std::vector<std::string> asked;
  const auto third = [&](const std::string& name) {
    asked.push_back(name);
    return asked.size() == 3;
  };
  EXPECT_EQ(walk_container_names("c", third), "c-3");
  EXPECT_THAT(asked, ElementsAre("c", "c-2", "c-3"));
  int count = 0;
  EXPECT_THAT(error_of([&] { walk_container_names("c", [&](const std::string&) { return ++count > 99; }); }),
              HasSubstr("c to c-99 are in use"));
  EXPECT_EQ(count, 99);
}

}  // namespace
}  // namespace bottle::container
