// SPDX-License-Identifier: Apache-2.0
#include "registry/server/workers.hpp"

#include <system_error>
#include <utility>

namespace bottle::registry {

Workers::~Workers() {
  drain();
}

bool Workers::submit(std::function<void()> job) {
  {
    const std::lock_guard guard(mutex_);
    if (draining_) return false;
    jobs_.push_back(std::move(job));
    if (jobs_.size() > idle_ && threads_.size() < most_) {
      try {
        threads_.emplace_back([this] { work(); });
      } catch (const std::system_error&) {
        if (!threads_.empty()) return true;  // those that there are do it
        jobs_.pop_back();
        return false;
      }
    }
  }
  changed_.notify_one();
  return true;
}

void Workers::drain() {
  {
    const std::lock_guard guard(mutex_);
    draining_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_)
    thread.join();
  threads_.clear();
}

void Workers::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this] { return draining_ || !jobs_.empty(); });
    --idle_;
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace bottle::registry
