// SPDX-License-Identifier: Apache-2.0
// CRC-32 (ISO-HDLC, the one of zlib and PNG): the checksum of packs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace bottle::pack {

// The CRC of what `crc` covers followed by `data`; begin with 0.
std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> data);
std::uint32_t crc32(std::uint32_t crc, std::string_view data);

// The CRC of two adjoining pieces from the CRC of each and the length of the second.
std::uint32_t combine_crc32(std::uint32_t first, std::uint32_t second, std::uint64_t second_length);

}  // namespace bottle::pack
