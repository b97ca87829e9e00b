// SPDX-License-Identifier: Apache-2.0
// One thread that executes work in the order of submission, beside the thread that submits it: a stage of a
// pipeline.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace bottle {

class Worker {
 public:
  using Work = std::function<void()>;

  // At most `capacity` pieces of work wait. With 0, or where no thread can be started, add() does the work.
  explicit Worker(std::size_t capacity);
  // Drops what waits; ends with what is being done.
  ~Worker();
  Worker(Worker&&) = delete;

  // From one thread. Waits for room. Throws what earlier work threw, after which nothing more is done.
  void add(Work work);
  // Waits until all is done; throws what any of it threw.
  void finish();

 private:
  void run();

  std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable room_;  // for add() and finish()
  std::condition_variable work_;  // for the thread
  std::deque<Work> waiting_;
  bool busy_ = false;
  bool ended_ = false;
  std::exception_ptr failure_;
  std::optional<std::thread> thread_;  // last: it uses all of the above
};

}  // namespace bottle
