// SPDX-License-Identifier: Apache-2.0
#include "oci/tar_format.hpp"

#include <algorithm>
#include <charconv>

#include "util/text.hpp"

namespace bottle::oci::tar {
namespace {

// GNU's base-256: two's complement, big-endian, with the top bit set as the mark.
std::optional<std::int64_t> parse_base256(std::string_view bytes) {
  const bool negative = (static_cast<unsigned char>(bytes[0]) & 0x40) != 0;
  const unsigned char fill = negative ? 0xff : 0;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto byte = static_cast<unsigned char>(bytes[i]);
    if (i == 0) byte = static_cast<unsigned char>(negative ? byte : byte & 0x7f);
    if (i + 8 < bytes.size()) {
      if (byte != fill) return std::nullopt;
    } else {
      value = value << 8 | byte;
    }
  }
  const auto result = static_cast<std::int64_t>(value);
  // A field of exactly 8 bytes has lost its mark bit in the sign.
  if (bytes.size() > 8 && (result < 0) != negative) return std::nullopt;
  return result;
}

}  // namespace

std::optional<std::int64_t> parse_number(std::string_view bytes) {
  if ((static_cast<unsigned char>(bytes[0]) & 0x80) != 0) return parse_base256(bytes);
  const std::size_t begin = bytes.find_first_not_of(std::string_view(" \0", 2));
  if (begin == std::string_view::npos) return 0;
  bytes.remove_prefix(begin);
  const std::string_view digits = bytes.substr(0, bytes.find_first_of(std::string_view(" \0", 2)));
  const auto value = parse_unsigned(digits, 8);
  if (!value || *value > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

bool checksum_matches(const Block& block) {
  const auto expected = parse_number(bytes_of(block, kChecksum));
  std::int64_t plain = 0;
  std::int64_t with_sign = 0;  // some old archivers added signed characters
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool in_field = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    const char c = in_field ? ' ' : block[i];
    plain += static_cast<unsigned char>(c);
    with_sign += static_cast<signed char>(c);
  }
  return expected && (*expected == plain || *expected == with_sign);
}

std::string_view bytes_of(const Block& block, Field field) {
  return {block.data() + field.offset, field.size};
}

std::string_view text_of(const Block& block, Field field) {
  const std::string_view bytes = bytes_of(block, field);
  return bytes.substr(0, bytes.find('\0'));
}

bool is_zero(const Block& block) {
  return std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; });
}

// "[-]<seconds>[.<fraction>]", rounded down to whole seconds.
std::optional<std::int64_t> parse_time(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view fraction = text.substr(std::min(point + 1, text.size()));
  if (fraction.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + point, seconds);
  if (error != std::errc() || end != text.data() + point) return std::nullopt;
  const bool round_down = text.starts_with('-') && fraction.find_first_not_of('0') != std::string_view::npos;
  if (round_down && seconds == INT64_MIN) return std::nullopt;
  return round_down ? seconds - 1 : seconds;
}

}  // namespace bottle::oci::tar
