// SPDX-License-Identifier: Apache-2.0
// The fields of a tar header block. Source: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace bottle::oci::tar {

constexpr std::size_t kBlock = 512;

struct Field {
  std::size_t offset;
  std::size_t size;
};

constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kMtime{136, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kLink{157, 100};
constexpr Field kMagic{257, 8};  // with the version
constexpr Field kDeviceMajor{329, 8};
constexpr Field kDeviceMinor{337, 8};
constexpr Field kPrefix{345, 155};

constexpr std::string_view kMagicUstar{
    "ustar\0"
    "00",
    8};
constexpr std::string_view kMagicGnu{"ustar  \0", 8};
constexpr std::string_view kPaxXattr = "SCHILY.xattr.";
constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";

using Block = std::array<char, kBlock>;

// A field's bytes, and its text up to the first NUL.
std::string_view bytes_of(const Block& block, Field field);
std::string_view text_of(const Block& block, Field field);
bool is_zero(const Block& block);
// Octal digits between blanks and NULs, or GNU's base-256; nullopt if it is neither or too big.
std::optional<std::int64_t> parse_number(std::string_view bytes);
bool checksum_matches(const Block& block);
// PAX "[-]<seconds>[.<fraction>]", rounded down to whole seconds.
std::optional<std::int64_t> parse_time(std::string_view text);

// The bytes that fill the last block of `size` bytes of data.
constexpr std::size_t padding(std::uint64_t size) {
  return static_cast<std::size_t>((kBlock - size % kBlock) % kBlock);
}

}  // namespace bottle::oci::tar
