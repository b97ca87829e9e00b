// SPDX-License-Identifier: Apache-2.0
#include "image/context/path_links.hpp"

#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PathLinksTest : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    ASSERT_THAT(directories(""), IsEmpty()) << "the temporary directory is not behind a link";
  }
  // Relative to the context.
  std::vector<std::string> directories(const std::string& path) const {
    std::vector<std::string> found;
    for (const std::string& directory : context::link_directories((context() / path).native()))
      found.push_back(fs::path(directory).lexically_relative(context()).native());
    return found;
  }
};

TEST_F(PathLinksTest, NamesTheDirectoryOfEachLink) {
  write("releases/1/conf/app", "1");
  write("links/keep", "");
  link("current", "releases/1");
  EXPECT_THAT(directories("releases/1/conf/app"), IsEmpty());
  EXPECT_THAT(directories("current"), ElementsAre("."));
  EXPECT_THAT(directories("current/conf/app"), ElementsAre("."));
  EXPECT_THAT(directories("./releases/../current/conf"), ElementsAre("."));
  link("links/current", "../current");
  EXPECT_THAT(directories("links/current/conf"), ElementsAre("links", ".")) << "a link through a link";
  link("absolute", (context() / "links/current/conf").native());
  EXPECT_THAT(directories("absolute/app"), ElementsAre(".", "links", "."));
  link("releases/1/conf/link", "app");
  EXPECT_THAT(directories("current/conf/link"), ElementsAre(".", "releases/1/conf"));
}

TEST_F(PathLinksTest, NamesTheDirectoryOfAMissingName) {
  write("a/file", "1");
  EXPECT_THAT(directories("a/none/below"), ElementsAre("a"));
  link("dangling", "a/later");
  EXPECT_THAT(directories("dangling"), ElementsAre(".", "a"));
}

TEST_F(PathLinksTest, EndsInLoopsAndFiles) {
  write("a/file", "1");
  link("a/self", "self");
  EXPECT_EQ(directories("a/self/x").size(), 40u);
  EXPECT_THAT(directories("a/file/below"), IsEmpty());
}

}  // namespace
}  // namespace bottle::image
