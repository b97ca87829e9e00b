// SPDX-License-Identifier: Apache-2.0
// Buffers for bulk data, which are written before they are read: setting megabytes to zero first, and asking
// the system for fresh pages each time, costs more than some of what is done with them.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace bottle {

// Leaves new elements as they are unless a value is given.
template <typename T>
struct UninitializedAllocator : std::allocator<T> {
  template <typename U>
  struct rebind {
    using other = UninitializedAllocator<U>;
  };
  template <typename U, typename... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    if constexpr (sizeof...(Arguments) == 0)
      ::new (static_cast<void*>(place)) U;
    else
      ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }
};

// resize() adds bytes of any value.
using Bytes = std::vector<std::byte, UninitializedAllocator<std::byte>>;

// Buffers that are used again. Thread-safe; what take() gives may outlive the pool.
class BufferPool {
 public:
  // Buffers are made for `expected` bytes, so that they need not grow again and again. Memory that is not
  // written to costs nothing.
  explicit BufferPool(std::size_t expected = 0) : expected_(expected) {}

  // A buffer of `size` bytes of any value, which comes back when its last owner lets go of it.
  std::shared_ptr<Bytes> take(std::size_t size);

 private:
  struct Free {
    std::mutex mutex;
    std::vector<std::unique_ptr<Bytes>> buffers;
  };
  std::size_t expected_;
  std::shared_ptr<Free> free_ = std::make_shared<Free>();
};

}  // namespace bottle
