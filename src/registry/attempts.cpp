// SPDX-License-Identifier: Apache-2.0
#include "registry/attempts.hpp"

#include <algorithm>
#include <ctime>
#include <thread>

#include "util/interrupt.hpp"

namespace bottle::registry {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kMaximumAttempts = 100;  // whatever the progress

void wait_for(milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  for (;;) {
    check_interrupted();
    const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return;
    std::this_thread::sleep_for(std::min(left, milliseconds(50)));
  }
}

}  // namespace

bool Attempts::again(std::optional<std::chrono::seconds> asked) {
  const double jitter = std::uniform_real_distribution<double>(0, 1)(random_);
  const auto wait = next_wait(policy_, ++attempt_, waited_, asked, jitter);
  if (!wait || all_ + 1 >= kMaximumAttempts) return false;
  ++all_;
  waited_ += *wait;
  wait_for(*wait);
  return true;
}

std::optional<std::chrono::seconds> retry_after(const Headers& headers) {
  const auto text = headers.find("Retry-After");
  return text ? parse_retry_after(*text, std::time(nullptr)) : std::nullopt;
}

void rethrow_counted(const ConnectionError& error, unsigned attempts) {
  if (attempts <= 1) throw;
  throw ConnectionError(error.message() + " (" + std::to_string(attempts) + " attempts)",
                        {.where = error.where(), .hint = error.hint()});
}

}  // namespace bottle::registry
