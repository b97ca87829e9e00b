// SPDX-License-Identifier: Apache-2.0
#include "util/worker.hpp"

#include <system_error>
#include <utility>

namespace bottle {

Worker::Worker(std::size_t capacity) : capacity_(capacity) {
  if (capacity_ == 0) return;
  try {
    thread_.emplace([this] { run(); });
  } catch (const std::system_error&) {
    capacity_ = 0;  // the thread limit of this machine is reached: add() does the work
  }
}

Worker::~Worker() {
  if (!thread_) return;
  {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
    ended_ = true;
  }
  work_.notify_one();
  thread_->join();
}

void Worker::add(Work work) {
  if (!thread_) {
    work();
    return;
  }
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return failure_ || waiting_.size() < capacity_; });
  if (failure_) std::rethrow_exception(failure_);
  waiting_.push_back(std::move(work));
  const bool is_first = waiting_.size() == 1;
  lock.unlock();
  if (is_first) work_.notify_one();
}

void Worker::finish() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return failure_ || (waiting_.empty() && !busy_); });
  if (failure_) std::rethrow_exception(failure_);
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [&] { return ended_ || !waiting_.empty(); });
    if (ended_) return;
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    const bool half_is_free = waiting_.size() <= capacity_ / 2;  // add() waits for that, not for each
    lock.unlock();
    if (half_is_free) room_.notify_one();
    std::exception_ptr error;
    try {
      work();
    } catch (...) {
      error = std::current_exception();
    }
    work = {};  // releases its captures before add() or finish() returns
    lock.lock();
    busy_ = false;
    if (error) {
      failure_ = error;
      waiting_.clear();
    }
    if (error || waiting_.empty()) room_.notify_one();
    if (error) return;
  }
}

}  // namespace bottle
