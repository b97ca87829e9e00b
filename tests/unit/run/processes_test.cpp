// SPDX-License-Identifier: Apache-2.0
// What stands in for namespaces and mounts: processes that are ended one by one, and trees that are looked at
// before and after.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "run/descendants.hpp"
#include "run/tree_stamps.hpp"
#include "util/file.hpp"
#include "util/process.hpp"

namespace bottle::run {
namespace {

// A directory of the test's own.
class Stamps : public ::testing::Test {
 protected:
  Stamps() {
    std::string name = (fs::temp_directory_path() / "bottle-stamps-XXXXXX").native();
    top_ = ::mkdtemp(name.data());
    fs::create_directories(top_ / "tree" / "deep");
    write_file(top_ / "tree" / "file", "one", Durable::no);
    write_file(top_ / "tree" / "deep" / "file", "two", Durable::no);
  }
  ~Stamps() override { fs::remove_all(top_); }

  timespec clock() const {
    write_file(top_ / "clock", "", Durable::no);
    struct stat status {};
    EXPECT_EQ(::stat((top_ / "clock").c_str(), &status), 0);
    return status.st_ctim;
  }
  fs::path tree() const { return top_ / "tree"; }
  std::optional<std::string> change(const std::function<void()>& act, std::vector<std::string> without = {}) {
    const TreeStamps stamps(tree(), top_, std::move(without));
    // Until the file system's clock has gone on: what changes within one tick cannot be told apart.
    const timespec begin = clock();
    for (timespec now = begin; now.tv_nsec == begin.tv_nsec; now = clock()) {
    }
    act();
    return stamps.find_change(tree());
  }

  fs::path top_;
};

TEST_F(Stamps, NothingChanged) {
  EXPECT_EQ(change([] {}), std::nullopt);
}
TEST_F(Stamps, ContentWithTheSameSizeAndTime) {
  struct stat status {};
  ASSERT_EQ(::stat((tree() / "file").c_str(), &status), 0);
  EXPECT_EQ(change([&] {
              const Fd file(::open((tree() / "file").c_str(), O_WRONLY | O_CLOEXEC));
              write_all(file.get(), std::string_view("eno"), "file");
              const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
              ASSERT_EQ(::utimensat(AT_FDCWD, (tree() / "file").c_str(), times.data(), 0), 0);
            }).value_or("none"),
            "file");
}
TEST_F(Stamps, ModesLinksAndNames) {
  EXPECT_EQ(change([&] { ::chmod((tree() / "deep" / "file").c_str(), 0600); }), "deep/file");
  EXPECT_EQ(change([&] { fs::create_hard_link(tree() / "file", top_ / "kept"); }), "file");
  EXPECT_NE(change([&] { fs::remove(tree() / "deep" / "file"); }), std::nullopt);
  EXPECT_NE(change([&] { write_file(tree() / "deep" / "new", "", Durable::no); }), std::nullopt);
}
TEST_F(Stamps, ExcludedPathsAreNotLookedAt) {
  EXPECT_EQ(change([&] { write_file(tree() / "deep" / "file", "x", Durable::no); }, {"deep"}), std::nullopt);
}
// A change in the tick in which the stamps were taken leaves the time as it was.
TEST_F(Stamps, ChangesWithinOneTickAreNotMissed) {
  const fs::path file = tree() / "file";
  for (int i = 0; i < 200; ++i) {
    write_file(file, "one", Durable::no);
    const TreeStamps stamps(tree(), top_);
    const Fd open(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    write_all(open.get(), std::string_view("two"), "file");
    struct stat status {};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_FALSE(stamps.is_unchanged("file", status));
  }
}

// In a child, which becomes the parent of orphans: this process stays as it is.
int in_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

TEST(Descendants, OrphansAndTheirSessionsAreEnded) {
  Pipe alive = make_pipe();
  EXPECT_EQ(in_child([&] {
              become_subreaper();
              Pipe ready = make_pipe();
              const pid_t command = ::fork();
              if (command == 0) {
                // A daemon: two forks, its own session, signals ignored.
                if (::fork() != 0) ::_exit(0);
                ::setsid();
                for (const int number : {SIGTERM, SIGHUP, SIGINT})
                  ::signal(number, SIG_IGN);
                (void)::fork();
                write_all(ready.writer.get(), "+", "pipe");
                for (;;)
                  ::pause();
              }
              int status = 0;
              ::waitpid(command, &status, 0);
              std::array<std::byte, 2> both{};
              std::size_t count = 0;
              while (count < both.size())
                count += read_some(ready.reader.get(), std::span(both).subspan(count, 1), "pipe");
              return end_descendants();
            }),
            2);
  // Both held it open.
  alive.writer.reset();
  std::array<std::byte, 1> byte{};
  EXPECT_EQ(read_some(alive.reader.get(), byte, "pipe"), 0u);
}
TEST(Descendants, ThereMayBeNone) {
  EXPECT_EQ(in_child([] { return end_descendants(); }), 0);
}

}  // namespace
}  // namespace bottle::run
