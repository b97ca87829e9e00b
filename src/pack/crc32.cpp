// SPDX-License-Identifier: Apache-2.0
#include "pack/crc32.hpp"

#include <libdeflate.h>
#include <zlib.h>

namespace bottle::pack {

std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> data) {
  return libdeflate_crc32(crc, data.data(), data.size());
}

std::uint32_t crc32(std::uint32_t crc, std::string_view data) {
  return libdeflate_crc32(crc, data.data(), data.size());
}

std::uint32_t combine_crc32(std::uint32_t first, std::uint32_t second, std::uint64_t second_length) {
  return static_cast<std::uint32_t>(crc32_combine64(first, second, static_cast<z_off64_t>(second_length)));
}

}  // namespace bottle::pack
