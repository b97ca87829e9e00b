// SPDX-License-Identifier: Apache-2.0
#include "util/bytes.hpp"

#include <algorithm>

namespace bottle {

std::shared_ptr<Bytes> BufferPool::take(std::size_t size) {
  std::unique_ptr<Bytes> buffer;
  {
    const std::lock_guard lock(free_->mutex);
    if (!free_->buffers.empty()) {  // the last one given back, which is most likely in a cache
      buffer = std::move(free_->buffers.back());
      free_->buffers.pop_back();
    }
  }
  if (!buffer) buffer = std::make_unique<Bytes>();
  buffer->clear();  // nothing is worth moving when it has to grow
  if (buffer->capacity() < size) buffer->reserve(std::max(size, expected_));
  buffer->resize(size);
  const auto give_back = [free = free_](Bytes* bytes) {
    std::unique_ptr<Bytes> owned(bytes);
    const std::lock_guard lock(free->mutex);
    free->buffers.push_back(std::move(owned));
  };
  return {buffer.release(), give_back};
}

}  // namespace bottle
