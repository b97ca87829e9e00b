// SPDX-License-Identifier: Apache-2.0
// Small text helpers: escaping for line formats, numbers with checks, sizes for people, nearest names for
// hints.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bottle {

// Percent-escapes control characters, space, '%', '=' and DEL, so that a value is one word of a line. UTF-8
// stays readable.
std::string escape_word(std::string_view text);
// The reverse; nullopt for a broken escape.
std::optional<std::string> unescape_word(std::string_view text);

// The whole of `text` as an unsigned number of the given base, or nullopt (also on overflow, sign, blanks).
std::optional<std::uint64_t> parse_unsigned(std::string_view text, int base = 10);

// An integer's digits, without a heap allocation.
template <typename Number>
void append_number(std::string& out, Number value, int base = 10) {
  std::array<char, 66> digits;  // of 64 bits in base 2, and a sign
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr);
}

// "512 B", "1.5 KiB", "3.2 GiB".
std::string human_size(std::uint64_t bytes);

// The candidate nearest to `word` by edit distance, if near enough to be a likely typing mistake.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace bottle
