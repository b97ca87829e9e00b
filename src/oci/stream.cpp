// SPDX-License-Identifier: Apache-2.0
#include "oci/stream.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "util/file.hpp"

namespace bottle::oci {

Source file_source(int descriptor, std::string name) {
  return [descriptor, name = std::move(name)](std::span<std::byte> data) {
    return read_some(descriptor, data, name);
  };
}

Source memory_source(std::span<const std::byte> data) {
  return [data](std::span<std::byte> part) mutable {
    const std::size_t count = std::min(part.size(), data.size());
    if (count > 0) std::memcpy(part.data(), data.data(), count);
    data = data.subspan(count);
    return count;
  };
}

}  // namespace bottle::oci
