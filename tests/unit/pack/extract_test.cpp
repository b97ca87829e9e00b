// SPDX-License-Identifier: Apache-2.0
#include "pack/extract.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "fixtures.hpp"
#include "pack/tree.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

using test::RawTar;

class ExtractTest : public testing::Test {
 protected:
  fs::path pack(const std::vector<std::pair<std::string, std::string>>& layers) {
    const fs::path file = directory_.path() / "p.smolmachine";
    write_file(
        file,
        test::pack_bytes(test::compressed(test::outer_tar(layers)), test::manifest_for(layers).serialize()),
        Durable::no);
    return file;
  }
  std::string extract(const std::string& layer, Existing existing = Existing::refuse) {
    try {
      extract_pack(open_pack(pack({{"aaaa", layer}})), out_, ExtractWhat::rootfs, existing);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  // Only the pack and the requested directory may appear.
  void expect_nothing_outside() {
    for (const fs::directory_entry& entry : fs::directory_iterator(directory_.path()))
      EXPECT_TRUE(entry.path() == out_ || entry.path().filename() == "p.smolmachine" ||
                  entry.path().filename() == "outside")
          << entry.path();
    EXPECT_TRUE(fs::is_empty(outside_));
  }
  void SetUp() override { make_directories(outside_); }

  TemporaryDirectory directory_;
  fs::path out_ = directory_.path() / "out";
  fs::path outside_ = directory_.path() / "outside";
};

TEST_F(ExtractTest, TreeIsRestored) {
  EXPECT_EQ(extract(RawTar()
                        .add({.name = "./", .type = '5', .mode = 0755})
                        .add({.name = "./d/", .type = '5', .mode = 0500})
                        .add({.name = "./d/f", .content = std::string(200000, '\0') + "x", .mode = 0640})
                        .add({.name = "./d/h", .type = '1', .link = "./d/f"})
                        .add({.name = "./l", .type = '2', .link = "/etc/passwd"})
                        .add({.name = "./implied/x", .content = "1"})
                        .add({.name = "./dev", .type = '3', .major = 1, .minor = 3})
                        .finish()),
            "");
  EXPECT_EQ(read_file(out_ / "d/f"), std::string(200000, '\0') + "x");
  EXPECT_EQ(fs::read_symlink(out_ / "l"), "/etc/passwd");
  EXPECT_FALSE(fs::exists(fs::symlink_status(out_ / "dev")));
  struct stat status;
  ASSERT_EQ(::lstat((out_ / "d").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0500u);
  EXPECT_EQ(status.st_mtim.tv_sec, 1700000000);
  ASSERT_EQ(::lstat((out_ / "d/f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0640u);
  EXPECT_EQ(status.st_nlink, 2u);
  EXPECT_EQ(status.st_mtim.tv_sec, 1700000000);
  const auto differences = compare_trees(tree_of_pack(open_pack(directory_.path() / "p.smolmachine")),
                                         tree_of_directory(out_), Owners::ignore);
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].path, "dev");
  expect_nothing_outside();
}

TEST_F(ExtractTest, HostileArchivesWriteNoFiles) {
  const std::string outside = outside_.native();
  const std::string cases[] = {
      RawTar().add({.name = "../outside/x", .content = "x"}).finish(),
      RawTar().add({.name = outside + "/x", .content = "x"}).finish(),
      RawTar().add({.name = "a/../../outside/x", .content = "x"}).finish(),
      RawTar().add({.name = "l", .type = '2', .link = outside}).add({.name = "l/x", .content = "x"}).finish(),
      RawTar()
          .add({.name = "l", .type = '2', .link = "../outside"})
          .add({.name = "l/x", .content = "x"})
          .finish(),
      RawTar().add({.name = "l", .type = '2', .link = outside}).add({.name = "l/", .type = '5'}).finish(),
      RawTar()
          .add({.name = "l", .type = '2', .link = outside + "/x"})
          .add({.name = "l", .content = "x"})
          .finish(),
      RawTar().add({.name = "h", .type = '1', .link = "/etc/passwd"}).finish(),
      RawTar().add({.name = "h", .type = '1', .link = "../p.smolmachine"}).finish(),
      RawTar()
          .add({.name = "l", .type = '2', .link = ".."})
          .add({.name = "h", .type = '1', .link = "l/p.smolmachine"})
          .finish(),
      RawTar().add({.name = "f", .content = "x"}).add({.name = "f/x", .content = "x"}).finish(),
      RawTar().add({.name = "f", .content = "1"}).add({.name = "f", .content = "2"}).finish(),
      RawTar().add({.name = "h", .type = '1', .link = "later"}).add({.name = "later"}).finish(),
      RawTar().add({.name = "h", .type = '1', .link = "h"}).finish(),
      RawTar().add({.name = ".", .type = '2', .link = outside}).finish(),
      RawTar().add({.name = "ok", .content = "x"}).unfinished(),
  };
  for (const std::string& layer : cases) {
    EXPECT_NE(extract(layer), "");
    EXPECT_FALSE(fs::exists(out_));
    expect_nothing_outside();
  }
}

TEST_F(ExtractTest, NonEmptyDirectoryIsRefused) {
  const std::string layer =
      RawTar().add({.name = "f", .content = "new"}).add({.name = "d/g", .content = "1"}).finish();
  make_directories(out_);
  EXPECT_EQ(extract(layer), "");  // empty
  EXPECT_NE(extract(layer), "");
  write_file(out_ / "other", "kept");
  EXPECT_EQ(extract(layer, Existing::overwrite), "");
  EXPECT_EQ(read_file(out_ / "other"), "kept");

  // Existing links are not followed either.
  fs::remove_all(out_ / "d");
  fs::remove(out_ / "f");
  fs::create_directory_symlink(outside_, out_ / "d");
  fs::create_symlink(outside_ / "x", out_ / "f");
  EXPECT_EQ(extract(layer, Existing::overwrite), "");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(out_ / "f")));
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(out_ / "d")));
  expect_nothing_outside();
}

TEST_F(ExtractTest, LayersApplyInTheManifestsOrder) {
  const std::string lower = RawTar()
                                .add({.name = "./", .type = '5', .mode = 0755})
                                .add({.name = "./d/", .type = '5', .mode = 0755})
                                .add({.name = "./d/a", .content = "old"})
                                .add({.name = "./d/kept", .content = "kept"})
                                .add({.name = "./gone", .content = "x"})
                                .add({.name = "./lib", .type = '2', .link = "d"})
                                .add({.name = "./dir/", .type = '5'})
                                .add({.name = "./dir/x/", .type = '5'})
                                .add({.name = "./dir/x/y", .content = "x"})
                                .finish();
  const std::string upper = RawTar()
                                .add({.name = "./d/", .type = '5', .mode = 0700})
                                .add({.name = "./d/a", .content = "new"})
                                .add({.name = "./dir", .content = "now a file"})
                                .add({.name = "./gone", .type = '3'})
                                .add({.name = "./lib/z", .content = "z"})
                                .finish();
  const std::string top = RawTar().add({.name = "./dir/x/y", .content = "again"}).finish();
  // In the file the upper layers come first.
  const std::vector<std::pair<std::string, std::string>> in_file{
      {"bbbb", upper}, {"cccc", top}, {"aaaa", lower}};
  const std::vector<std::pair<std::string, std::string>> in_order{
      {"aaaa", lower}, {"bbbb", upper}, {"cccc", top}};
  const fs::path file = directory_.path() / "p.smolmachine";
  write_file(file, test::pack_bytes(test::compressed(test::outer_tar(in_file)),
                                    test::manifest_for(in_order).serialize()));
  extract_pack(open_pack(file), out_, ExtractWhat::rootfs, Existing::refuse);
  EXPECT_EQ(read_file(out_ / "d/a"), "new");
  EXPECT_EQ(read_file(out_ / "d/kept"), "kept");
  EXPECT_EQ(read_file(out_ / "dir/x/y"), "again");
  EXPECT_EQ(read_file(out_ / "lib/z"), "z");
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(out_ / "lib")));
  EXPECT_FALSE(fs::exists(out_ / "gone"));
  EXPECT_TRUE(compare_trees(tree_of_pack(open_pack(file)), tree_of_directory(out_), Owners::ignore).empty());
  expect_nothing_outside();
}

TEST_F(ExtractTest, RawWritesTheMembers) {
  const std::string layer = RawTar().add({.name = "f"}).finish();
  extract_pack(open_pack(pack({{"aaaa", layer}})), out_, ExtractWhat::raw, Existing::refuse);
  EXPECT_EQ(read_file(out_ / "layers/aaaa.tar"), layer);
}

TEST_F(ExtractTest, ReadOnlyRootIsExtracted) {
  EXPECT_EQ(extract(RawTar().add({.name = "./", .type = '5', .mode = 0555}).add({.name = "./f"}).finish()),
            "");
  struct stat status;
  ASSERT_EQ(::lstat(out_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0555u);
}

}  // namespace
}  // namespace bottle::pack
