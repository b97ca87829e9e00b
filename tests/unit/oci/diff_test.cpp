// SPDX-License-Identifier: Apache-2.0
#include "oci/diff.hpp"

#include <gtest/gtest.h>

#include <random>

#include "testing.hpp"

namespace bottle::oci {
namespace {

using namespace testing;

std::string summary(const LayerIndex& layer) {
  std::string text;
  for (const Entry& entry : layer.entries)
    text += std::string(1, "fdlhcbpwo"[static_cast<std::size_t>(entry.type)]) + " " + entry.path + "\n";
  return text;
}

TEST(Diff, EqualTreesHaveNoDifference) {
  const MergedTree tree =
      tree_of({{directory("d"), file("d/f", "1"), hardlink("g", "d/f"), symlink("l", "d")}});
  EXPECT_EQ(summary(diff(tree, tree)), "");
}

TEST(Diff, EveryAttributeCounts) {
  const MergedTree lower = tree_of({{directory("d"), file("f", "1"), symlink("l", "x")}});
  const auto changed = [&](const char* path, const std::function<void(Entry&)>& change) {
    LayerIndex layer;
    layer.entries = {*lower.find(path)->inode};
    layer.entries[0].path = path;
    change(layer.entries[0]);
    MergedTree upper = lower;
    upper.apply(layer, "change");
    return summary(diff(lower, upper));
  };
  EXPECT_EQ(changed("f", [](Entry& entry) { entry.mode = 0600; }), "f f\n");
  EXPECT_EQ(changed("f", [](Entry& entry) { entry.uid = 1; }), "f f\n");
  EXPECT_EQ(changed("f", [](Entry& entry) { entry.gid = 1; }), "f f\n");
  EXPECT_EQ(changed("f", [](Entry& entry) { entry.mtime = 1; }), "f f\n");
  EXPECT_EQ(changed("f", [](Entry& entry) { entry.digest.bytes[0] = 1; }), "f f\n");
  EXPECT_EQ(changed("f", [](Entry& entry) { entry.xattrs = {{"user.a", "b"}}; }), "f f\n");
  EXPECT_EQ(changed("l", [](Entry& entry) { entry.link = "y"; }), "l l\n");
  EXPECT_EQ(changed("d", [](Entry& entry) { entry.mode = 0700; }), "d d\n");
  EXPECT_EQ(changed("d", [](Entry& entry) { entry.mtime = 1; }), "");
  EXPECT_EQ(changed("", [](Entry& entry) { entry.mode = 0700; }), "d \n");
}

TEST(Diff, TypesReplaceEachOther) {
  const MergedTree lower = tree_of({{directory("a"), file("a/b", "1"), file("c", "2")}});
  const MergedTree upper = tree_of({{file("a", "3"), directory("c"), file("c/d", "4")}});
  EXPECT_EQ(summary(diff(lower, upper)), "f a\nd c\nf c/d\n");
}

// containerd's diff loses these: content and attributes are the same, only the inodes differ.
TEST(Diff, LinkedAndUnlinkedFilesDiffer) {
  const MergedTree linked = tree_of({{file("a", "1"), hardlink("b", "a"), hardlink("c", "a")}});
  const MergedTree apart = tree_of({{file("a", "1"), file("b", "1"), file("c", "1")}});
  EXPECT_EQ(summary(diff(linked, apart)), "f b\nf c\n");
  EXPECT_EQ(summary(diff(apart, linked)), "f b\nh a\nh c\n");
  // What stays alone needs no new copy.
  EXPECT_EQ(summary(diff(linked, tree_of({{file("a", "1")}}))), "w b\nw c\n");
}

TEST(Diff, AppliedToTheLowerTreeItGivesTheUpper) {
  std::mt19937 random(7);
  const auto tree = [&] {
    MergedTree result;
    const auto name = [&] { return std::string(1, "abc-"[random() % 4]); };
    for (int i = 0; i < 25; ++i) {
      std::string path = name();
      for (auto depth = random() % 3; depth > 0; --depth)
        path += "/" + name();
      // One call a statement: the order in which arguments are computed differs between compilers.
      const std::string content = std::to_string(random() % 3);
      const bool plain = random() % 2 == 0;
      Entry entry = file(path, content, plain ? 0644 : 0600);
      const auto kind = random() % 6;
      if (kind == 0) entry = directory(path, plain ? 0755 : 0700);
      if (kind == 1) entry = symlink(path, "x" + name());
      if (kind == 2) entry = hardlink(path, name(), plain ? 0644 : 0600);
      if (kind == 3) entry = whiteout(path);
      try {
        result.apply({{}, {entry}}, "random");
      } catch (const Error&) {
        continue;  // a path through a file, a link to nothing
      }
    }
    return result;
  };
  for (int round = 0; round < 2000; ++round) {
    const MergedTree lower = tree();
    const MergedTree upper = tree();
    const LayerIndex layer = diff(lower, upper);
    MergedTree applied = lower;
    applied.apply(layer, "diff");
    ASSERT_EQ(listing(applied), listing(upper)) << listing(lower) << "---\n" << layer.serialize();
    // Through a tar too.
    applied = lower;
    applied.apply(import_tar(tar_of(layer.entries)).index, "tar");
    ASSERT_EQ(listing(applied), listing(upper));
    EXPECT_EQ(summary(diff(applied, upper)), "");
  }
}

}  // namespace
}  // namespace bottle::oci
