// SPDX-License-Identifier: Apache-2.0
// The connections of a server, and an end to those whose client takes too long to send its request, or has
// gone.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace bottle::registry {

// libmicrohttpd counts a time-out from the last byte, so that a byte now and then holds a connection forever.
// Here a request's headers have to be complete so long after the one before. May be used by several threads.
class Connections {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Connections(std::chrono::seconds patience);
  ~Connections();
  Connections(Connections&&) = delete;

  void opened(int socket);
  void closed(int socket);
  enum class Phase { head, body, answer };
  // What comes next. Phase::head is what a connection begins with, and what follows an answer.
  void enter(int socket, Phase phase);

  unsigned now() const;
  std::uint64_t ever() const;

 private:
  struct State {
    Clock::time_point since;
    Phase phase = Phase::head;
    bool seemed_ended = false;
  };
  void watch();

  std::chrono::seconds patience_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::unordered_map<int, State> open_;
  std::uint64_t ever_ = 0;
  std::thread watcher_;
};

}  // namespace bottle::registry
