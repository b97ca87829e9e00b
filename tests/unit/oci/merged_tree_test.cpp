// SPDX-License-Identifier: Apache-2.0
#include "oci/merged_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "testing.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

TEST(MergedTree, WhiteoutsHideLowerLayersOnly) {
  EXPECT_EQ(listing(tree_of({{directory("d"), file("d/a", "1"), file("d/b", "2"), file("e", "3")},
                             {whiteout("d/a"), whiteout("e"), whiteout("not/there")}})),
            "d d 755\nd/b f 644 2\nnot d 755\n");
  // In the same layer, wherever they are.
  EXPECT_EQ(listing(tree_of({{file("a", "old")}, {file("a", "new"), whiteout("a")}})), "a f 644 new\n");
  EXPECT_EQ(listing(tree_of(
                {{directory("d"), file("d/old", "1")}, {directory("d"), file("d/new", "2"), whiteout("d")}})),
            "d d 755\nd/new f 644 2\n");
}

TEST(MergedTree, OpaqueDirectoriesHideLowerLayersOnlyInAnyOrder) {
  const std::vector<Entry> lower = {directory("d"), file("d/old", "1"), directory("d/sub"),
                                    file("d/sub/old", "2")};
  const char* expected = "d d 700\nd/new f 644 3\nd/sub d 755\nd/sub/new f 644 4\n";
  EXPECT_EQ(listing(tree_of(
                {lower, {directory("d", 0700), opaque("d"), file("d/new", "3"), file("d/sub/new", "4")}})),
            expected);
  EXPECT_EQ(listing(tree_of(
                {lower, {directory("d", 0700), file("d/new", "3"), file("d/sub/new", "4"), opaque("d")}})),
            expected);
  EXPECT_EQ(listing(tree_of({lower, {whiteout("d/sub/old"), opaque("d")}})), "d d 755\n");
  EXPECT_EQ(listing(tree_of({lower, {opaque(""), file("x", "5")}})), "x f 644 5\n");
}

TEST(MergedTree, TypesReplaceEachOther) {
  EXPECT_EQ(listing(tree_of({{directory("a"), file("a/b", "1")}, {file("a", "2")}})), "a f 644 2\n");
  EXPECT_EQ(listing(tree_of({{file("a", "1")}, {directory("a"), file("a/b", "2")}})),
            "a d 755\na/b f 644 2\n");
  EXPECT_EQ(listing(tree_of({{directory("a"), file("a/b", "1")}, {symlink("a", "c")}})), "a l 777 -> c\n");
  // A directory over a directory merges.
  EXPECT_EQ(listing(tree_of({{directory("a"), file("a/b", "1")}, {directory("a", 0700)}})),
            "a d 700\na/b f 644 1\n");
}

TEST(MergedTree, ParentsThatAreLinksAreFollowedInsideTheRoot) {
  EXPECT_EQ(listing(tree_of(
                {{directory("usr"), directory("usr/bin"), symlink("bin", "usr/bin")}, {file("bin/x", "1")}})),
            "bin l 777 -> usr/bin\nusr d 755\nusr/bin d 755\nusr/bin/x f 644 1\n");
  EXPECT_EQ(listing(tree_of({{symlink("out", "../../../etc")}, {file("out/passwd", "1")}})),
            "etc d 755\netc/passwd f 644 1\nout l 777 -> ../../../etc\n");
}

TEST(MergedTree, HardLinksShareAnInode) {
  const MergedTree tree = tree_of({{file("a", "1"), hardlink("b", "a", 0600)}, {hardlink("c", "b", 0640)}});
  EXPECT_EQ(listing(tree), "a f 640 1\nb f 640 = a\nc f 640 = a\n");
  // A new file over one name leaves the others.
  EXPECT_EQ(listing(tree_of({{file("a", "1"), hardlink("b", "a")}, {file("a", "2")}})),
            "a f 644 2\nb f 644 1\n");
  // Said again in a later layer.
  EXPECT_EQ(listing(tree_of({{file("a", "1"), hardlink("b", "a")}, {hardlink("b", "a", 0600)}})),
            "a f 600 1\nb f 600 = a\n");
}

TEST(MergedTree, EntriesAreInByteOrderWithHardLinksToTheFirstName) {
  const MergedTree tree = tree_of(
      {{directory("a"), file("a/x", "1"), file("a-b", "2"), hardlink("0", "a/x"), directory("", 0700)}});
  std::string text;
  for (const Entry& entry : tree.entries())
    text +=
        "[" + entry.path + "]" + (entry.type == EntryType::hardlink ? "=" + entry.link.string() : "") + " ";
  EXPECT_EQ(text, "[] [0] [a] [a-b] [a/x]=0 ");
  EXPECT_EQ(tree.entries()[0].mode, 0700);
  EXPECT_EQ(tree.entries()[1].size, 1u);
  EXPECT_EQ(tree.entries()[4].size, 0u);
}

TEST(MergedTree, EntriesAreInByteOrderForAnyNames) {
  // All names of one and two of these characters, three levels deep, each a directory.
  const std::string letters = "!-./0a\x80\xff";
  std::vector<std::string> names;
  for (const char first : letters) {
    if (first == '/') continue;
    if (first != '.') names.emplace_back(1, first);
    for (const char second : letters)
      if (second != '/' && !(first == '.' && second == '.')) names.push_back({first, second});
  }
  LayerIndex layer;
  for (const std::string& a : names) {
    layer.entries.push_back(directory(a));
    for (const std::string& b : {std::string("-"), std::string("b"), a}) {
      layer.entries.push_back(directory(a + "/" + b));
      layer.entries.push_back(file(a + "/" + b + "/x", "1"));
      layer.entries.push_back(file(a + "/" + b + "-", "1"));
    }
  }
  MergedTree tree;
  tree.apply(layer, "layer");
  const std::vector<Entry> entries = tree.entries();
  EXPECT_GT(entries.size(), 500u);
  EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end(),
                             [](const Entry& left, const Entry& right) { return left.path < right.path; }));
  std::size_t nodes = 0;
  tree.walk([&](const std::string&, const MergedTree::Node&) { ++nodes; });
  EXPECT_EQ(entries.size(), nodes);
}

TEST(MergedTree, ParentChangedBetweenEntriesIsFound) {
  // The directory's way leads elsewhere, it is replaced, it is removed and comes back.
  EXPECT_EQ(listing(tree_of({{directory("a"), directory("b"), symlink("l", "a"), file("l/1", "1"),
                              directory("b"), file("b/2", "2"), symlink("l", "b"), file("l/3", "3")}})),
            listing(tree_of({{directory("a"), file("a/1", "1"), directory("b"), file("b/2", "2"),
                              file("b/3", "3"), symlink("l", "b")}})));
  EXPECT_EQ(listing(tree_of({{file("d/1", "1"), file("d", "2"), directory("d"), file("d/3", "3")}})),
            listing(tree_of({{directory("d"), file("d/3", "3")}})));
  EXPECT_EQ(listing(tree_of({{file("d/1", "1")}, {file("d/2", "2"), opaque("d"), file("d/3", "3")}})),
            listing(tree_of({{file("d/2", "2"), file("d/3", "3")}})));
  EXPECT_EQ(listing(tree_of({{file("d/1", "1")}, {whiteout("d"), file("d/3", "3")}})),
            listing(tree_of({{file("d/3", "3")}})));
  EXPECT_EQ(listing(tree_of({{file("p/d/1", "1")}, {file("p/d/2", "2"), whiteout("p"), file("p/d/3", "3")}})),
            listing(tree_of({{file("p/d/2", "2"), file("p/d/3", "3")}})));
}

TEST(MergedTree, EntriesAppliedGiveTheSameTree) {
  const MergedTree tree = tree_of({{directory("a"), file("a/x", "1"), file("a-b", "2"), hardlink("0", "a/x"),
                                    symlink("l", "a"), hardlink("m", "l")}});
  MergedTree again;
  again.apply({tree.roots(), tree.entries()}, "again");
  EXPECT_EQ(listing(again), listing(tree));
}

TEST(MergedTree, CopiesAreIndependent) {
  const MergedTree tree = tree_of({{file("a", "1"), hardlink("b", "a")}});
  MergedTree copy = tree;
  copy.apply({{}, {hardlink("c", "a", 0600)}}, "more");
  EXPECT_EQ(listing(copy), "a f 600 1\nb f 600 = a\nc f 600 = a\n");
  EXPECT_EQ(listing(tree), "a f 644 1\nb f 644 = a\n");
}

TEST(MergedTree, RootsAreScopedAndShared) {
  LayerIndex layer;
  layer.roots = {"blob:sha256:1", "context", "context:x"};
  for (const std::uint32_t root : {0u, 1u, 2u}) {
    layer.entries.push_back(file(std::string(1, "fgh"[root]), "1"));
    layer.entries.back().place.root = root;
  }
  MergedTree tree;
  tree.apply(layer, "one", "base/");
  tree.apply(layer, "two");
  EXPECT_EQ(tree.roots(), (std::vector<std::string>{"blob:sha256:1", "base/context", "base/context:x",
                                                    "context", "context:x"}));
  EXPECT_EQ(tree.find("g")->inode->place.root, 3u);
  layer.entries[0].place.root = 9;
  EXPECT_THAT(error_of([&] { tree.apply(layer, "bad"); }), HasSubstr("not in the table"));
}

TEST(MergedTree, ResolvesLinksInsideTheRoot) {
  const MergedTree tree =
      tree_of({{directory("usr"), directory("usr/bin"), file("usr/bin/sh", "1"), symlink("bin", "usr/bin"),
                symlink("sh", "/bin/sh"), symlink("loop", "loop"), symlink("up", "../../.."),
                symlink("dead", "no/such")}});
  const auto resolve = [&](const char* path, bool last) { return tree.resolve(path, last).value_or("LOOP"); };
  EXPECT_EQ(resolve("bin/sh", true), "usr/bin/sh");
  EXPECT_EQ(resolve("/bin/../x", true), "usr/x");
  EXPECT_EQ(resolve("sh", true), "usr/bin/sh");
  EXPECT_EQ(resolve("sh", false), "sh");
  EXPECT_EQ(resolve("bin/", false), "bin");
  EXPECT_EQ(resolve("bin/sh/x", true), "usr/bin/sh/x");
  EXPECT_EQ(resolve("loop", true), "LOOP");
  EXPECT_EQ(resolve("loop", false), "loop");
  EXPECT_EQ(resolve("loop/x", false), "LOOP");
  EXPECT_EQ(resolve("up/usr", true), "usr");
  EXPECT_EQ(resolve("dead/x/../y", true), "no/such/y");
  EXPECT_EQ(resolve("", true), "");
  EXPECT_EQ(resolve("../..", true), "");
}

TEST(MergedTree, BrokenLayersAreRefused) {
  const std::pair<std::vector<Entry>, const char*> cases[] = {
      {{file("a", "1"), file("a/b", "2")}, "\"a\" in its path is not a directory"},
      {{hardlink("a", "b")}, "does not exist"},
      {{directory("d"), hardlink("a", "d")}, "to the directory"},
      {{file("a", "1"), hardlink("a", "a")}, "hard link to itself"},
      {{file("../a", "1")}, "not a normal relative path"},
      {{symlink("loop", "loop"), file("loop/a", "1")}, "more than 255 symbolic links"},
      {{file("", "1")}, "root is not a directory"},
  };
  for (const auto& [entries, message] : cases)
    EXPECT_THAT(error_of([&, &layer = entries] { tree_of({layer}); }), HasSubstr(message));
  EXPECT_THAT(error_of([] { tree_of({{hardlink("a b", "c")}}); }),
              HasSubstr("layer 1: cannot apply \"a%20b\""));
}

TEST(MergedTree, DepthIsBoundedWithLinks) {
  std::string deep = "a";
  while (deep.size() < 4000)
    deep += "/a";
  std::vector<Entry> entries = {directory(deep), symlink("l", deep), directory("l/" + deep)};
  EXPECT_THAT(error_of([&] { tree_of({entries}); }), HasSubstr("longer than 4095 bytes"));
}

}  // namespace
}  // namespace bottle::oci
