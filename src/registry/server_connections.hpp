// The connections of a server, and an end to those that take too long to say what they want.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace bottle::registry {

// libmicrohttpd counts a time-out from the last byte, so that a byte now and then holds a connection for
// ever. Here a request's headers have to be complete so long after the one before. May be used by several
// threads.
class Connections {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Connections(std::chrono::seconds patience);
  ~Connections();
  Connections(Connections&&) = delete;

  void opened(int socket);
  void closed(int socket);
  void request_begun(int socket);  // its headers are complete
  void request_ended(int socket);  // the next one may come, whenever it likes to begin

  unsigned now() const;
  std::uint64_t ever() const;

 private:
  struct State {
    Clock::time_point since;
    bool waiting = true;
  };
  void watch();

  std::chrono::seconds patience_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool stop_ = false;
  std::unordered_map<int, State> open_;
  std::uint64_t ever_ = 0;
  std::thread watcher_;
};

}  // namespace bottle::registry
