// SPDX-License-Identifier: Apache-2.0
// Work on several threads with results in order and bounded memory.
#pragma once

#include <cstddef>
#include <functional>

namespace bottle {

// The number of threads to use: BOTTLE_JOBS, else the processors this process may run on.
std::size_t default_threads();

// Runs work(i) for i in [0, count) on `threads` threads and consume(i) on the calling thread, strictly in
// order of i, as soon as work(i) is done. At most `window` items are between work begun and consume ended,
// which bounds memory. The first exception of either stops the rest and is rethrown here.
void parallel_ordered(std::size_t count, std::size_t threads, std::size_t window,
                      const std::function<void(std::size_t)>& work,
                      const std::function<void(std::size_t)>& consume);

// The same without a consumer.
void parallel_for(std::size_t count, std::size_t threads, const std::function<void(std::size_t)>& work);

// Two pieces of work, the second on a separate thread if it `is_long` (some milliseconds) and there is more
// than one processor to use; else it comes first. An exception of either is thrown when what has begun has
// ended.
void both(bool is_long, const std::function<void()>& here, const std::function<void()>& beside);

}  // namespace bottle
