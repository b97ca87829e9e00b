// SPDX-License-Identifier: Apache-2.0
#include "image/context/depfile.hpp"

#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Depfile, EscapesSpecialCharactersOfMakeAndNinja) {
  EXPECT_EQ(context::depfile("key.stamp", {}), "key.stamp:\n");
  EXPECT_EQ(context::depfile("out dir/key.stamp", {"/a", "/with blank", "/dollar$", "/hash#", "/100%"}),
            "out\\ dir/key.stamp: \\\n  /a \\\n  /with\\ blank \\\n  /dollar$$ \\\n  /hash\\# \\\n  /100%\n");
}

TEST(Depfile, HasEmptyRulesForMake) {
  EXPECT_EQ(context::depfile("out/key.stamp", {"/a", "/with blank"}, true),
            "out/key.stamp: \\\n  /a \\\n  /with\\ blank\n\n/a:\n\n/with\\ blank:\n");
  // Neither assignments nor patterns.
  EXPECT_EQ(context::depfile("a=1/b%:/key.stamp", {"/c=d"}, true),
            "bottle_equals := =\n"
            "a$(bottle_equals)1/b\\%\\:/key.stamp: \\\n  /c$(bottle_equals)d\n\n/c$(bottle_equals)d:\n");
}

class PlainPathsTest : public ImageTest {
 protected:
  fs::path links() const { return directory() / "links"; }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(links()), fs::directory_iterator()));
  }
};

TEST_F(PlainPathsTest, LeavesPlainPathsAlone) {
  EXPECT_THAT(context::plain_paths({"/a/b c", "/ü/100", "/x=y,z+1@~!"}, links()),
              ElementsAre("/a/b c", "/ü/100", "/x=y,z+1@~!"));
  EXPECT_FALSE(fs::exists(links()));
}

TEST_F(PlainPathsTest, NamesOthersThroughLinks) {
  for (const std::string name : {"a:b", "a;b", "blank at the end ", " at the beginning", "a$b", "a#b", "a\\b",
                                 "a*b", "a\nb", "a\tb", "a|b", "a(b)", "100%"}) {
    write("special/" + name, name);
    const auto paths = context::plain_paths({(context() / "special" / name).native()}, links());
    ASSERT_EQ(paths.size(), 1u);
    EXPECT_EQ(fs::path(paths[0]).parent_path(), links());
    EXPECT_EQ(read_file(paths[0]), name);
    EXPECT_EQ(count(), 1u) << "the link of the name before is still there";
  }
}

TEST_F(PlainPathsTest, TakesOneLinkForADirectory) {
  write("a$b/one", "1");
  write("a$b/sub/two", "2");
  const std::string special = (context() / "a$b").native();
  const std::vector<std::string> all{special, special + "/one", special + "/sub/two", "/plain"};
  const auto paths = context::plain_paths(all, links());
  ASSERT_EQ(paths.size(), 4u);
  EXPECT_EQ(count(), 1u);
  EXPECT_TRUE(fs::is_directory(paths[0]));
  EXPECT_EQ(read_file(paths[1]), "1");
  EXPECT_EQ(read_file(paths[2]), "2");
  EXPECT_EQ(context::plain_paths(all, links()), paths);
  context::plain_paths({"/plain"}, links());
  EXPECT_EQ(count(), 0u);
}

TEST_F(PlainPathsTest, FailsWhereNoLinkCanBeMade) {
  write_file(links(), "a file");
  EXPECT_THAT(error_of([&] { context::plain_paths({"/a$b"}, links()); }), HasSubstr(links().native()));
}

}  // namespace
}  // namespace bottle::image
