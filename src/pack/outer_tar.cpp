// SPDX-License-Identifier: Apache-2.0
#include "pack/outer_tar.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "oci/tar_format.hpp"

namespace bottle::pack {
namespace {

namespace tar = oci::tar;

// Octal digits with a terminating NUL if they fit, else big-endian base 256 with the top bit set.
void put_number(std::span<char> field, std::uint64_t value) {
  const std::size_t digits = field.size() - 1;
  if (digits * 3 >= 64 || value >> (digits * 3) == 0) {
    for (std::size_t i = 0; i < digits; ++i)
      field[i] = static_cast<char>('0' + (value >> (3 * (digits - 1 - i)) & 7));
    field[digits] = '\0';
    return;
  }
  for (std::size_t i = 0; i < field.size(); ++i) {
    const std::size_t shift = 8 * (field.size() - 1 - i);
    field[i] = shift < 64 ? static_cast<char>(value >> shift & 0xff) : '\0';
  }
  field[0] = static_cast<char>(0x80);
}

std::string header(const std::string& name, unsigned mode, std::uint64_t size, char type) {
  std::string block(tar::kBlock, '\0');
  const auto field = [&](tar::Field place) { return std::span(block).subspan(place.offset, place.size); };
  std::copy_n(name.begin(), std::min(name.size(), tar::kName.size - 1), block.begin());
  put_number(field(tar::kMode), mode);
  put_number(field(tar::kUid), 0);
  put_number(field(tar::kGid), 0);
  put_number(field(tar::kSize), size);
  put_number(field(tar::kMtime), 0);
  block[tar::kType] = type;
  std::ranges::copy(tar::kMagicGnu, block.begin() + tar::kMagic.offset);
  // The checksum counts its own field as blanks, and has six digits, NUL, blank.
  std::ranges::fill(field(tar::kChecksum), ' ');
  unsigned sum = 0;
  for (const char c : block)
    sum += static_cast<unsigned char>(c);
  put_number(field(tar::kChecksum).first(7), sum);
  return block;
}

}  // namespace

std::string outer_file_header(const std::string& name, std::uint64_t size) {
  return header(name, 0644, size, '0');
}

std::string outer_directory_header(const std::string& name) {
  return header(name, 0755, 0, '5');
}

}  // namespace bottle::pack
