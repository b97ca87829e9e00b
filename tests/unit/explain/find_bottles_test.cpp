// SPDX-License-Identifier: Apache-2.0
#include "explain/find_bottles.hpp"

#include "util/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bottle::explain {
namespace {

using testing::HasSubstr;

class FindBottles : public testing::Test {
 protected:
  void bottle(const std::string& path) {
    make_directories(build() / path);
    write_file(build() / path / "spec.json", "{}");
  }
  fs::path build() const { return directory_.path(); }
  UsageError failure(const std::string& slug) const {
    try {
      find_bottle(build(), slug);
    } catch (const UsageError& error) {
      return error;
    }
    return UsageError("no error");
  }
  TemporaryDirectory directory_;
};

TEST_F(FindBottles, SearchesNestedBinaryDirectories) {
  bottle("bottles/hello");
  bottle("sub/dir/bottles/base");
  bottle("CMakeFiles/bottles/no");
  bottle("bottles/hello/layers/bottles/no");
  make_directories(build() / "bottles/unfinished");
  fs::create_directory_symlink(build(), build() / "loop");
  const auto found = find_bottles(build());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].slug, "base");
  EXPECT_EQ(found[1].slug, "hello");
  EXPECT_EQ(find_bottle(build(), "base").directory, fs::canonical(build()) / "sub/dir/bottles/base");
  EXPECT_EQ(find_bottle(build() / "bottles/hello", "hello").slug, "hello");
}

TEST_F(FindBottles, UnknownNamesListTheKnownOnes) {
  EXPECT_THAT(failure("x").message(), HasSubstr("the directory holds no bottle"));
  bottle("bottles/hello");
  bottle("bottles/base");
  const UsageError error = failure("helo");
  EXPECT_EQ(error.message(), "unknown bottle \"helo\": expected one of base, hello");
  EXPECT_EQ(error.hint(), "did you mean hello?");
  EXPECT_THROW(find_bottles(build() / "none"), UsageError);
}

TEST_F(FindBottles, DuplicateNamesAreAmbiguous) {
  bottle("bottles/hello");
  bottle("sub/bottles/hello");
  EXPECT_THAT(failure("hello").message(), HasSubstr("found 2 bottles \"hello\""));
}

}  // namespace
}  // namespace bottle::explain
