// SPDX-License-Identifier: Apache-2.0
#include "util/progress.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "util/file.hpp"

namespace bottle {
namespace {

using namespace std::chrono_literals;

constexpr ProgressTimes kAtOnce{.quiet_first = 0ms, .bar = 0ms, .line = 0ms};
constexpr std::uint64_t kMiB = 1u << 20;

// What was written to the other end so far.
std::string read_all(int descriptor) {
  ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(descriptor, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(count));
  return text;
}

class ProgressTest : public ::testing::Test {
 protected:
  ProgressTest() {
    ::unsetenv("NO_COLOR");
    ::setenv("TERM", "xterm", 1);
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    reader_ = Fd(ends[0]);
    writer_ = Fd(ends[1]);
  }

  void open_terminal() {
    reader_ = Fd(::posix_openpt(O_RDWR | O_NOCTTY));
    ASSERT_EQ(::grantpt(reader_.get()), 0);
    ASSERT_EQ(::unlockpt(reader_.get()), 0);
    writer_ = Fd(::open(::ptsname(reader_.get()), O_RDWR | O_NOCTTY));
    ASSERT_GE(writer_.get(), 0);
  }

  Fd reader_;
  Fd writer_;
};

TEST_F(ProgressTest, LinesWithoutATerminal) {
  Progress progress(writer_.get(), "pulling", kAtOnce);
  progress.expect(4 * kMiB);
  progress.advance(kMiB);
  progress.advance(kMiB);
  const std::string text = read_all(reader_.get());
  EXPECT_NE(text.find("pulling 1.0 MiB of 4.0 MiB"), std::string::npos) << text;
  EXPECT_NE(text.find("\npulling 2.0 MiB of 4.0 MiB"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
}

TEST_F(ProgressTest, BarShowsProgressAndIsErased) {
  open_terminal();
  {
    Progress progress(writer_.get(), "pushing", kAtOnce);
    progress.expect(2 * kMiB);
    progress.advance(kMiB);
    const std::string half = read_all(reader_.get());
    EXPECT_NE(half.find("pushing [############            ] 1.0 MiB of 2.0 MiB"), std::string::npos) << half;
    progress.advance(kMiB);
    EXPECT_EQ(read_all(reader_.get()), "\r\x1b[K");
    progress.expect(kMiB);
    progress.advance(1);
    EXPECT_NE(read_all(reader_.get()).find("of 3.0 MiB"), std::string::npos);
  }
  EXPECT_EQ(read_all(reader_.get()), "\r\x1b[K");  // an error may be what comes next
}

TEST_F(ProgressTest, NoBarWithoutColour) {
  open_terminal();
  ::setenv("NO_COLOR", "1", 1);
  Progress progress(writer_.get(), "pushing", kAtOnce);
  progress.expect(2 * kMiB);
  progress.advance(kMiB);
  EXPECT_EQ(read_all(reader_.get()).find('\x1b'), std::string::npos);
}

TEST_F(ProgressTest, ShortTransfersAreNotShown) {
  {
    Progress progress(writer_.get(), "pulling", {.quiet_first = 1h, .bar = 0ms, .line = 0ms});
    progress.expect(kMiB);
    progress.advance(kMiB / 2);
    progress.advance(kMiB / 2);
  }
  EXPECT_EQ(read_all(reader_.get()), "");
}

TEST_F(ProgressTest, PercentageIsAtMostOneHundred) {
  Progress progress(writer_.get(), "pulling", kAtOnce);
  progress.expect(kMiB);
  progress.advance(kMiB * 2);  // half of it a second time
  progress.expect(kMiB * 2);
  progress.advance(0);
  EXPECT_NE(read_all(reader_.get()).find("2.0 MiB of 3.0 MiB"), std::string::npos);
}

TEST_F(ProgressTest, ThreadsShareABar) {
  Progress progress(writer_.get(), "pulling", {.quiet_first = 0ms, .bar = 0ms, .line = 1h});
  progress.expect(4 * kMiB);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 1024; ++j)
        progress.advance(1023);
    });
  for (auto& thread : threads)
    thread.join();
  const std::string text = read_all(reader_.get());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST_F(ProgressTest, BlockedReaderDoesNotBlockTheTransfer) {
  reader_ = Fd();
  std::signal(SIGPIPE, SIG_IGN);
  Progress progress(writer_.get(), "pulling", kAtOnce);
  progress.expect(kMiB);
  EXPECT_NO_THROW(progress.advance(1));
}

}  // namespace
}  // namespace bottle
