// SPDX-License-Identifier: Apache-2.0
// How far long work has come, told on stderr: a bar on a terminal, elsewhere (a log, NO_COLOR, TERM=dumb) a
// line now and then. Work that ends soon prints nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace bottle {

struct ProgressTimes {
  std::chrono::milliseconds quiet_first{700};  // nothing is printed before this time has passed
  std::chrono::milliseconds bar{100};          // between two drawings of the bar
  std::chrono::milliseconds line{10'000};      // between two lines
};

// Threads may use one together. Failing to write is not an error: the work continues.
class Progress {
 public:
  // `what` is a present participle: "pulling". `descriptor` must stay open.
  Progress(int descriptor, std::string what, ProgressTimes times = {});
  // Removes the bar, so that an error gets its own line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void expect(std::uint64_t bytes);   // adds to the expected amount
  void advance(std::uint64_t bytes);  // adds to the amount that is done; removes the bar when all of it is

 private:
  using Clock = std::chrono::steady_clock;
  std::string text(Clock::time_point now) const;

  const int descriptor_;
  const std::string what_;
  const ProgressTimes times_;
  const bool bar_;
  const Clock::time_point begin_;

  std::mutex mutex_;  // for what follows
  Clock::time_point next_;
  std::uint64_t expected_ = 0;
  std::uint64_t done_ = 0;
  bool drawn_ = false;
};

}  // namespace bottle
