// SPDX-License-Identifier: Apache-2.0
#include "util/interrupt.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "util/error.hpp"
#include "util/process.hpp"

namespace bottle {
namespace {

constexpr int kInterrupted = 42;
constexpr unsigned kDeadline = 30;  // seconds, after which SIGALRM ends a child that sleeps over a signal

// In a separate process, because a recorded signal stays recorded.
template <typename Body>
[[noreturn]] void interrupted_while(const Body& body) {
  ::alarm(kDeadline);
  install_interrupt_handlers();
  try {
    body();
  } catch (const Interrupted& interrupted) {
    ::_exit(interrupted.signal_number == SIGTERM ? kInterrupted : 1);
  }
  ::_exit(0);
}

// Another thread is given the signal, at any time before or while this one waits: no call of this one is
// ended by it.
class SignalElsewhere {
 public:
  SignalElsewhere() : thread_([] { ::pthread_kill(::pthread_self(), SIGTERM); }) {}
  ~SignalElsewhere() { thread_.join(); }

 private:
  std::thread thread_;
};

class InterruptDeathTest : public ::testing::Test {
 protected:
  InterruptDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(InterruptDeathTest, WaitingForADescriptorEnds) {
  EXPECT_EXIT(interrupted_while([] {
                const Pipe pipe = make_pipe();
                const SignalElsewhere signal;
                wait_readable(pipe.reader.get());
              }),
              ::testing::ExitedWithCode(kInterrupted), "");
}

TEST_F(InterruptDeathTest, WaitingForAProcessEnds) {
  EXPECT_EXIT(interrupted_while([] {
                Child child = start({.arguments = {"sleep", "1000"}, .environment = {}, .directory = {}});
                const SignalElsewhere signal;
                child.wait();
              }),
              ::testing::ExitedWithCode(kInterrupted), "");
}

TEST_F(InterruptDeathTest, ReadingTheOutputOfAProcessEnds) {
  EXPECT_EXIT(interrupted_while([] {
                const SignalElsewhere signal;
                run_program({.arguments = {"sleep", "1000"}, .environment = {}, .directory = {}});
              }),
              ::testing::ExitedWithCode(kInterrupted), "");
}

TEST_F(InterruptDeathTest, CleanupWaitsForPrograms) {
  EXPECT_EXIT(
      interrupted_while([] {
        ::raise(SIGTERM);
        {
          const Uninterrupted uninterrupted;
          if (run_program({.arguments = {"echo", "a"}, .environment = {}, .directory = {}}).output != "a\n")
            ::_exit(1);
        }
        check_interrupted();
      }),
      ::testing::ExitedWithCode(kInterrupted), "");
}

TEST_F(InterruptDeathTest, ASecondSignalEndsAtOnce) {
  EXPECT_EXIT(interrupted_while([] {
                const Uninterrupted uninterrupted;
                ::raise(SIGINT);
                ::raise(SIGTERM);
              }),
              ::testing::ExitedWithCode(128 + SIGTERM), "");
}

TEST(Interrupt, ReadableDescriptorEndsTheWait) {
  Pipe pipe = make_pipe();
  pipe.writer.reset();
  wait_readable(pipe.reader.get());
}

}  // namespace
}  // namespace bottle
