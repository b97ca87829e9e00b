#include "registry/server_workers.hpp"

#include <utility>

namespace bottle::registry {

Workers::Workers(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i)
    threads_.emplace_back([this] { work(); });
}

Workers::~Workers() {
  drain();
}

bool Workers::submit(std::function<void()> job) {
  {
    const std::lock_guard guard(mutex_);
    if (draining_) return false;
    jobs_.push_back(std::move(job));
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
    changed_.wait(lock, [this] { return draining_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace bottle::registry
