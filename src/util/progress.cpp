// SPDX-License-Identifier: Apache-2.0
#include "util/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "util/command_line.hpp"
#include "util/text.hpp"

namespace bottle {
namespace {

constexpr std::size_t kBarWidth = 24;
constexpr const char* kEraseLine = "\r\x1b[K";  // ECMA-48, EL

void say(int descriptor, const std::string& text) {
  // Nothing depends on it, and a full pipe or a closed terminal must not end the work.
  [[maybe_unused]] const auto written = ::write(descriptor, text.data(), text.size());
}

}  // namespace

Progress::Progress(int descriptor, std::string what, ProgressTimes times)
    : descriptor_(descriptor),
      what_(std::move(what)),
      times_(times),
      bar_(use_color(descriptor)),
      begin_(Clock::now()),
      next_(begin_ + times.quiet_first) {}

Progress::~Progress() {
  if (drawn_) say(descriptor_, kEraseLine);
}

void Progress::expect(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  expected_ += bytes;
}

void Progress::advance(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  done_ += bytes;
  if (drawn_ && done_ >= expected_) {
    say(descriptor_, kEraseLine);
    drawn_ = false;
  }
  const auto now = Clock::now();
  if (now < next_ || done_ >= expected_) return;
  next_ = now + (bar_ ? times_.bar : times_.line);
  say(descriptor_, bar_ ? kEraseLine + text(now) : text(now) + "\n");
  drawn_ = bar_;
}

std::string Progress::text(Clock::time_point now) const {
  // What had to be sent again makes more than was expected.
  const std::uint64_t done = std::min(done_, expected_);
  std::string result = what_;
  if (bar_) {
    const auto filled = static_cast<std::size_t>(static_cast<double>(done) /
                                                 static_cast<double>(std::max<std::uint64_t>(expected_, 1)) *
                                                 static_cast<double>(kBarWidth));
    result += " [" + std::string(filled, '#') + std::string(kBarWidth - filled, ' ') + "]";
  }
  result += " " + human_size(done) + " of " + human_size(expected_);
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  if (seconds > 0)
    result += ", " + human_size(static_cast<std::uint64_t>(static_cast<double>(done_) / seconds)) + "/s";
  return result;
}

}  // namespace bottle
