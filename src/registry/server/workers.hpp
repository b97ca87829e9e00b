// SPDX-License-Identifier: Apache-2.0
// Threads for what takes longer than the threads that serve connections may wait.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace bottle::registry {

class Workers {
 public:
  // The limit of threads, which are started when there is work for them.
  explicit Workers(unsigned threads) : most_(threads) {}
  ~Workers();  // drain()
  Workers(Workers&&) = delete;

  // False after drain() has begun, or if no thread can be started: the caller executes the job then. The job
  // must not throw.
  bool submit(std::function<void()> job);
  // Waits until all that was submitted is done, and ends the threads. Idempotent.
  void drain();

 private:
  void work();

  const unsigned most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool draining_ = false;
  unsigned idle_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace bottle::registry
