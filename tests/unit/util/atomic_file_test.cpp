// SPDX-License-Identifier: Apache-2.0
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/interrupt.hpp"

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace bottle {
namespace {

class AtomicFiles : public testing::Test {
 protected:
  fs::path at(const std::string& name) const { return directory_.path() / name; }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory_.path()), fs::directory_iterator()));
  }
  TemporaryDirectory directory_;
};

// Runs `body` in a child process, which ends with its result; gives the status of waitpid(2).
template <class Body>
int in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST_F(AtomicFiles, AppearsOnCommitOnly) {
  {
    AtomicFile file(at("f"));
    file.write("text");
    EXPECT_FALSE(fs::exists(at("f")));
    file.commit();
    EXPECT_EQ(read_file(at("f")), "text");
  }
  {
    AtomicFile file(at("f"));
    file.write("other");
  }
  EXPECT_EQ(read_file(at("f")), "text");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicFiles, FailedCommitLeavesNothing) {
  fs::create_directories(at("f/sub"));
  {
    AtomicFile file(at("f"));
    EXPECT_THROW(file.commit(), Error);
  }
  EXPECT_EQ(entries(), 1u);
  EXPECT_THROW(AtomicFile(at("none/f")), Error);
}

TEST_F(AtomicFiles, NextWriterRemovesFilesOfAKilledOne) {
  const int status = in_child([&] {
    AtomicFile file(at("f"));
    file.write("half");
    ::raise(SIGKILL);
    return 0;
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_EQ(entries(), 1u);
  AtomicFile other(at("g"));  // of another name: not its business
  other.commit();
  EXPECT_EQ(entries(), 2u);
  AtomicFile file(at("f"));
  file.commit();
  EXPECT_EQ(entries(), 2u);
}

TEST_F(AtomicFiles, FilesBeingWrittenAreKept) {
  AtomicFile first(at("f"));
  first.write("first");
  AtomicFile second(at("f"));
  second.write("second");
  second.commit();
  EXPECT_EQ(read_file(at("f")), "second");
  first.commit();
  EXPECT_EQ(read_file(at("f")), "first");
}

// A process id that is alive elsewhere (another container) looks dead here; its lock tells.
TEST_F(AtomicFiles, NeverRemovesALockedFileOfAForeignProcess) {
  const int unused = 0x3ffffffe;  // above the kernel's largest process id
  const fs::path foreign = at(".f." + std::to_string(unused) + ".0.tmp");
  {
    const FileLock lock(foreign, FileLock::Mode::exclusive);
    write_file(at("f"), "x");
    EXPECT_TRUE(fs::exists(foreign));
  }
  write_file(at("f"), "y");
  EXPECT_FALSE(fs::exists(foreign));
}

TEST_F(AtomicFiles, LinkOrCopyReplacesAndRepeats) {
  write_file(at("from"), "new");
  write_file(at("to"), "old");
  link_or_copy(at("from"), at("to"));
  EXPECT_EQ(read_file(at("to")), "new");
  link_or_copy(at("from"), at("to"));  // perhaps the same inode by now
  EXPECT_EQ(read_file(at("to")), "new");
  EXPECT_EQ(entries(), 2u);
  EXPECT_THROW(link_or_copy(at("none"), at("to")), Error);
  EXPECT_EQ(read_file(at("to")), "new");
}

TEST_F(AtomicFiles, LinkOrCopyCrossesFileSystems) {
  std::error_code error;
  const fs::path other = "/dev/shm";
  if (!fs::is_directory(other, error) || ::access(other.c_str(), W_OK) != 0) GTEST_SKIP() << "no /dev/shm";
  const TemporaryDirectory far(other);
  write_file(far.path() / "from", std::string(3 << 20, 'x'));
  link_or_copy(far.path() / "from", at("to"));
  EXPECT_EQ(read_file(at("to")), std::string(3 << 20, 'x'));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicFiles, LocksExcludeByMode) {
  using Mode = FileLock::Mode;
  {
    const FileLock shared(at("lock"), Mode::shared);
    EXPECT_TRUE(FileLock::try_lock(at("lock"), Mode::shared));
    EXPECT_FALSE(FileLock::try_lock(at("lock"), Mode::exclusive));
  }
  const auto exclusive = FileLock::try_lock(at("lock"), Mode::exclusive);
  EXPECT_TRUE(exclusive);
  EXPECT_FALSE(FileLock::try_lock(at("lock"), Mode::shared));
}

TEST_F(AtomicFiles, LockEndsWithItsProcess) {
  const int status = in_child([&] {
    const FileLock lock(at("lock"), FileLock::Mode::exclusive);
    ::raise(SIGKILL);
    return 0;
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(FileLock::try_lock(at("lock"), FileLock::Mode::exclusive));
}

TEST_F(AtomicFiles, WaitingForALockEndsOnASignal) {
  const FileLock lock(at("lock"), FileLock::Mode::exclusive);
  const int status = in_child([&] {
    install_interrupt_handlers();
    // Signals come until one finds the process waiting; the handler ends the process on a second one, so the
    // first must do.
    const pid_t self = ::getpid();
    const pid_t sender = ::fork();
    if (sender == 0) {
      // Waits until the parent sleeps in flock(2): its kernel stack is private, its state is not.
      while (true) {
        const std::string stat = read_file("/proc/" + std::to_string(self) + "/stat");
        if (stat.find(") S ") != std::string::npos) break;
        std::this_thread::yield();
      }
      ::kill(self, SIGTERM);
      ::_exit(0);
    }
    try {
      const FileLock second(at("lock"), FileLock::Mode::exclusive);
    } catch (const Interrupted& interrupted) {
      return interrupted.signal_number == SIGTERM ? 42 : 1;
    }
    return 2;
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

}  // namespace
}  // namespace bottle
