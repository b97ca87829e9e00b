// SPDX-License-Identifier: Apache-2.0
#include "util/obstacle.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <functional>

#include "util/error.hpp"
#include "util/file.hpp"

namespace bottle {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Obstacles : public testing::Test {
 protected:
  fs::path at(const std::string& name) const { return directory_.path() / name; }

  // Fails, with the command that removes the obstacle; after that command it succeeds.
  void expect_command(const std::string& command, const std::function<void()>& work) {
    try {
      work();
      ADD_FAILURE() << "expected an error with " << command;
    } catch (const Error& error) {
      constexpr std::string_view kBeginning = "remove it and build again: ";
      EXPECT_THAT(error.hint(), StartsWith(std::string(kBeginning) + command)) << error.message();
      ASSERT_EQ(std::system(error.hint().substr(kBeginning.size()).c_str()), 0);
    }
    EXPECT_NO_THROW(work());
  }

  TemporaryDirectory directory_;
};

TEST_F(Obstacles, EmptyDirectoriesGiveWay) {
  for (const Durable durable : {Durable::no, Durable::contents}) {
    fs::create_directory(at("f"));
    write_file(at("f"), "text", durable);
    EXPECT_EQ(read_file(at("f")), "text");
    fs::remove(at("f"));
  }
  fs::create_directory(at("stamp"));
  touch(at("stamp"));
  EXPECT_TRUE(fs::is_regular_file(at("stamp")));
  fs::create_directory(at("copy"));
  write_file(at("source"), "text");
  link_or_copy(at("source"), at("copy"));
  EXPECT_EQ(read_file(at("copy")), "text");
}

TEST_F(Obstacles, DirectoriesWithContentAreErrors) {
  write_file(at("source"), "text");
  const std::vector<std::function<void(const fs::path&)>> writers{
      [](const fs::path& place) { write_file(place, "text", Durable::no); },
      [](const fs::path& place) { write_file(place, "text"); }, [](const fs::path& place) { touch(place); },
      [&](const fs::path& place) { link_or_copy(at("source"), place); },
      [](const fs::path& place) { FileLock(place, FileLock::Mode::shared); }};
  for (const auto& write : writers) {
    const fs::path place = at("with 'quotes' and $blanks");
    fs::remove_all(place);
    make_directories(place / "full");
    expect_command("rm -r '", [&] { write(place); });
  }
  // Nothing temporary remains.
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), fs::directory_iterator()), 2);
}

TEST_F(Obstacles, LinksAreReplacedAndNotFollowed) {
  for (const char* target : {"stamp", "nowhere", "precious"}) {
    write_file(at("precious"), "text");
    fs::last_write_time(at("precious"), fs::file_time_type(std::chrono::seconds(1)));
    fs::remove(at("stamp"));
    fs::create_symlink(target, at("stamp"));
    touch(at("stamp"));
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(at("stamp")))) << target;
    EXPECT_EQ(fs::last_write_time(at("precious")), fs::file_time_type(std::chrono::seconds(1)));
    EXPECT_FALSE(fs::exists(at("nowhere")));
  }
}

TEST_F(Obstacles, FilesInPlaceOfDirectoriesAreErrors) {
  write_file(at("file"), "text");
  expect_command("rm /", [&] { make_directories(at("file/below")); });
  fs::remove_all(at("file"));
  fs::create_symlink("nowhere", at("file"));
  expect_command("rm /", [&] { make_directories(at("file/below")); });
  fs::remove_all(at("file"));
  fs::create_symlink("file", at("file"));
  expect_command("rm /", [&] { make_directories(at("file")); });
  // A link to a directory is as good as one.
  fs::create_directory_symlink("file", at("link"));
  make_directories(at("link/below"));
  EXPECT_TRUE(fs::is_directory(at("file/below")));
}

TEST_F(Obstacles, ALockThatIsALinkToItselfIsAnError) {
  fs::create_symlink("lock", at("lock"));
  expect_command("rm /", [&] { FileLock(at("lock"), FileLock::Mode::shared); });
}

}  // namespace
}  // namespace bottle
