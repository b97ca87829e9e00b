// SPDX-License-Identifier: Apache-2.0
#include "util/staged_directory.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bottle {
namespace {

std::size_t entries(const fs::path& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

// What a killed process leaves: the directory that it had begun.
void begin_and_die(const fs::path& target) {
  const pid_t child = ::fork();
  if (child == 0) {
    const StagedDirectory stage(target);
    write_file(stage.path() / "half", "text");
    ::raise(SIGKILL);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(StagedDirectory, IsBesideItsTargetAndRemoved) {
  const TemporaryDirectory directory;
  const fs::path target = directory.path() / "parent" / "target";
  {
    const StagedDirectory stage(target);
    EXPECT_EQ(stage.path().parent_path(), target.parent_path());
    write_file(stage.path() / "file", "text");
    fs::create_directory(stage.path() / "tree");
    fs::rename(stage.path() / "tree", target);
  }
  EXPECT_TRUE(fs::is_directory(target));
  EXPECT_EQ(entries(target.parent_path()), 1u);
}

TEST(StagedDirectory, FilesOfAKilledProcessAreRemoved) {
  const TemporaryDirectory directory;
  begin_and_die(directory.path() / "a");
  begin_and_die(directory.path() / "b");
  ASSERT_EQ(entries(directory.path()), 2u);
  { const StagedDirectory stage(directory.path() / "a"); }
  EXPECT_EQ(entries(directory.path()), 1u);  // of another name: not its business
}

TEST(StagedDirectory, DirectoriesOfOthersAreKept) {
  const TemporaryDirectory directory;
  const fs::path target = directory.path() / "a";
  const fs::path living = directory.path() / (".a." + std::to_string(::getppid()) + ".tmp");
  const fs::path other = directory.path() / ".a.mine.tmp";
  fs::create_directory(living);
  fs::create_directory(other);
  { const StagedDirectory stage(target); }
  EXPECT_TRUE(fs::exists(living));
  EXPECT_TRUE(fs::exists(other));
}

}  // namespace
}  // namespace bottle
