// SPDX-License-Identifier: Apache-2.0
#include "util/file.hpp"

#include "util/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

namespace bottle {
namespace {

using testing::HasSubstr;

class Files : public testing::Test {
 protected:
  fs::path at(const std::string& name) const { return directory_.path() / name; }
  TemporaryDirectory directory_;
};

TEST_F(Files, FdMovesAndCloses) {
  Fd first = open_for_reading("/dev/null");
  const int number = first.get();
  Fd second(std::move(first));
  EXPECT_FALSE(first);
  EXPECT_EQ(second.get(), number);
  second.reset();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST_F(Files, ReadsWithALimit) {
  write_file(at("f"), "12345");
  EXPECT_EQ(read_file(at("f"), 5), "12345");
  EXPECT_EQ(read_file("/proc/self/comm").empty(), false);  // its size is said to be 0
  try {
    read_file(at("f"), 4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("larger than the limit of 4 bytes"));
    EXPECT_EQ(error.where(), at("f").native());
  }
  write_file(at("empty"), "");
  EXPECT_EQ(read_file(at("empty"), 0), "");
}

TEST_F(Files, AbsentFileDiffersFromUnreadable) {
  EXPECT_EQ(read_file_if_exists(at("none")), std::nullopt);
  write_file(at("file"), "x");
  EXPECT_EQ(read_file_if_exists(at("file") / "below"), std::nullopt);
  EXPECT_THROW(read_file_if_exists(directory_.path()), Error);
  EXPECT_THROW(read_file(at("none")), Error);
}

TEST_F(Files, WritesOnlyIfChanged) {
  EXPECT_TRUE(write_file_if_changed(at("f"), "one"));
  const timespec old[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, at("f").c_str(), old, 0), 0);
  EXPECT_FALSE(write_file_if_changed(at("f"), "one"));
  struct stat status {};
  ASSERT_EQ(::stat(at("f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mtim.tv_sec, 1000);
  EXPECT_TRUE(write_file_if_changed(at("f"), "two"));
  EXPECT_EQ(read_file(at("f")), "two");
  touch(at("f"));
  ASSERT_EQ(::stat(at("f").c_str(), &status), 0);
  EXPECT_GT(status.st_mtim.tv_sec, 1000);
  touch(at("new"));
  EXPECT_EQ(read_file(at("new")), "");
}

TEST_F(Files, ComparesContent) {
  const std::string text(600'000, 'x');  // more than is read at once
  EXPECT_FALSE(has_content(at("none"), ""));
  write_file(at("f"), "");
  EXPECT_TRUE(has_content(at("f"), ""));
  EXPECT_FALSE(has_content(at("f"), "x"));
  write_file(at("f"), text);
  EXPECT_TRUE(has_content(at("f"), text));
  EXPECT_FALSE(has_content(at("f"), text + "x"));
  EXPECT_FALSE(has_content(at("f"), text.substr(1)));
  EXPECT_FALSE(has_content(at("f"), text.substr(1) + "y"));
  EXPECT_FALSE(has_content(at("f"), "y" + text.substr(1)));
}

TEST_F(Files, OpenBeneathStaysInside) {
  make_directories(at("root/sub"));
  write_file(at("root/sub/f"), "inside");
  write_file(at("secret"), "outside");
  fs::create_symlink("../secret", at("root/link"));
  fs::create_symlink("sub", at("root/dir"));
  const Fd root = open_for_reading(at("root"), O_DIRECTORY);
  EXPECT_TRUE(open_beneath(root.get(), "sub/f", O_RDONLY, "root"));
  EXPECT_TRUE(open_beneath(root.get(), "", O_RDONLY | O_DIRECTORY, "root"));
  for (const char* path : {"../secret", "sub/../../secret", "link", "dir/f", "/etc/passwd", "none"})
    EXPECT_THROW(open_beneath(root.get(), path, O_RDONLY, "root"), Error) << path;
}

TEST_F(Files, CopyRangeDetectsAShortFile) {
  write_file(at("from"), "0123456789");
  write_file(at("to"), "----------");
  const Fd from = open_for_reading(at("from"));
  const Fd to(::open(at("to").c_str(), O_RDWR | O_CLOEXEC));
  copy_range(from.get(), 2, to.get(), 4, 3, "to");
  EXPECT_EQ(read_file(at("to")), "----234---");
  EXPECT_THROW(copy_range(from.get(), 8, to.get(), 0, 3, "to"), Error);
}

TEST_F(Files, CopyRangeFallsBackToReading) {
  // A pipe is refused by copy_file_range(2); reading from /proc takes the same way.
  const Fd from = open_for_reading("/proc/self/cmdline");
  const Fd to(::open(at("to").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  copy_range(from.get(), 0, to.get(), 0, 4, "to");
  EXPECT_EQ(read_file(at("to")), read_file("/proc/self/cmdline").substr(0, 4));
}

TEST_F(Files, FullDiskIsAnError) {
  const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  if (!full) GTEST_SKIP() << "/dev/full is absent";
  try {
    write_all(full.get(), "x", "the output");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "the output");
    EXPECT_THAT(error.message(), HasSubstr("No space left"));
  }
}

TEST_F(Files, TemporaryDirectoryIsRemovedWithAllItHolds) {
  fs::path path;
  {
    const TemporaryDirectory inner(directory_.path());
    path = inner.path();
    make_directories(path / "a/b");
    write_file(path / "a/b/c", "x");
  }
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace bottle
