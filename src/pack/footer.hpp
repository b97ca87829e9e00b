// SPDX-License-Identifier: Apache-2.0
// The last 64 bytes of a pack: where its parts are. All integers are little-endian.
//
//   offset size
//        0    8  magic "SMOLPACK"
//        8    4  version (written 1; 1, 2 and 3 are read, all alike)
//       12    8  stub_size       length of the executable before the assets; 0 in a sidecar
//       20    8  assets_offset   0 means sidecar
//       28    8  assets_size     zstd frames holding the outer tar
//       36    8  manifest_offset
//       44    8  manifest_size
//       52    4  checksum        CRC-32 of assets and manifest
//       56    8  reserved: written as zero, ignored when read
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace bottle::pack {

constexpr std::size_t kFooterSize = 64;

struct Footer {
  std::uint32_t version = 1;
  std::uint64_t stub_size = 0;
  std::uint64_t assets_offset = 0;
  std::uint64_t assets_size = 0;
  std::uint64_t manifest_offset = 0;
  std::uint64_t manifest_size = 0;
  std::uint32_t checksum = 0;

  bool sidecar() const { return assets_offset == 0; }
  bool operator==(const Footer&) const = default;
};

std::array<std::byte, kFooterSize> encode_footer(const Footer& footer);

// Decodes and checks magic and version. `name` and `offset` (of the footer in its file) are for errors.
Footer decode_footer(std::span<const std::byte, kFooterSize> bytes, const std::string& name,
                     std::uint64_t offset);

// Checks that the parts lie inside a file of `file_size` bytes, as smolvm's reader does, and for a
// single-file pack also that the stub ends where the assets begin. Throws naming offset, expected, found.
void check_footer_bounds(const Footer& footer, std::uint64_t file_size, const std::string& name);

// What smolvm tolerates but no writer produces: bytes that nothing refers to, a stub size without a stub.
// verify() takes them for damage. Throws.
void check_footer_exact(const Footer& footer, std::uint64_t file_size, const std::string& name);

}  // namespace bottle::pack
