// SPDX-License-Identifier: Apache-2.0
#include "util/parallel.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "util/environment.hpp"
#include "util/interrupt.hpp"
#include "util/worker.hpp"

namespace bottle {

std::size_t default_threads() {
  const std::string text = environment::value(environment::kJobs);
  std::size_t jobs = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), jobs);
  if (error == std::errc() && end == text.data() + text.size() && jobs > 0 && jobs <= 1024) return jobs;
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0)
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  return std::max(1u, std::thread::hardware_concurrency());
}

void parallel_ordered(std::size_t count, std::size_t threads, std::size_t window,
                      const std::function<void(std::size_t)>& work,
                      const std::function<void(std::size_t)>& consume) {
  threads = std::min(threads, count);
  if (threads <= 1) {
    for (std::size_t i = 0; i < count; ++i) {
      check_interrupted();
      work(i);
      consume(i);
    }
    return;
  }
  window = std::max(window, threads);

  // A thread is woken only for what it waits for: with a window of small items, waking all threads for each
  // item took longer than the items.
  std::mutex mutex;
  std::condition_variable room;   // for workers
  std::condition_variable ready;  // for the consumer: the next item is done
  std::vector<bool> done(count);
  std::size_t begun = 0;
  std::size_t consumed = 0;
  std::exception_ptr failure;

  const auto worker = [&] {
    std::unique_lock lock(mutex);
    while (true) {
      room.wait(lock, [&] { return failure || begun == count || begun < consumed + window; });
      if (failure || begun == count) return;
      const std::size_t i = begun++;
      lock.unlock();
      std::exception_ptr error;
      try {
        check_interrupted();
        work(i);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && !failure) failure = error;
      done[i] = true;
      if (failure) room.notify_all();
      if (failure || i == consumed) ready.notify_one();
    }
  };

  {
    std::vector<std::jthread> pool;
    std::unique_lock lock(mutex);
    try {
      for (std::size_t i = 0; i < threads; ++i)
        pool.emplace_back(worker);
    } catch (...) {
      // Fewer threads than requested can do the work; but those that started must not be left waiting.
      if (pool.empty()) failure = std::current_exception();
    }
    for (std::size_t i = 0; i < count; ++i) {
      ready.wait(lock, [&] { return failure || done[i]; });
      if (failure) break;
      lock.unlock();
      std::exception_ptr error;
      try {
        consume(i);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && !failure) failure = error;
      consumed = i + 1;
      // Workers that wait for the window continue when half of it is free, not at each item.
      if (failure || begun <= consumed + window / 2) room.notify_all();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// Without an order to keep, no thread waits for another before the end: with files of 10 kB, waking a thread
// for each took 50 % longer.
void parallel_for(std::size_t count, std::size_t threads, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto worker = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) {
        check_interrupted();
        work(i);
      }
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> pool;
    try {
      for (std::size_t i = 1; i < std::min(threads, count); ++i)
        pool.emplace_back(worker);
    } catch (const std::system_error&) {
      // Fewer threads than requested can do the work.
    }
    worker();
  }
  if (failure) std::rethrow_exception(failure);
}

void both(bool is_long, const std::function<void()>& here, const std::function<void()>& beside) {
  Worker worker(is_long && default_threads() > 1 ? 1 : 0);
  worker.add(beside);
  here();
  worker.finish();
}

}  // namespace bottle
