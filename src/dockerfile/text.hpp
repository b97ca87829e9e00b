// SPDX-License-Identifier: Apache-2.0
// Text helpers of the Dockerfile library: UTF-8 code points with the character classes the language is
// defined by (it treats Unicode white space as blanks and Unicode letters as part of variable names),
// quoting, and the search for the nearest known name in error messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bottle::dockerfile {

inline constexpr char32_t kReplacement = 0xFFFD;  // stands for a byte that is not UTF-8

struct Rune {
  char32_t value = 0;
  std::size_t width = 0;  // bytes; 1 for an invalid byte, 0 at the end of the text
};

// The code point at `offset`; an invalid sequence is kReplacement of width 1.
Rune decode_rune(std::string_view text, std::size_t offset);
void append_rune(std::string& text, char32_t rune);
std::u32string to_runes(std::string_view text);
std::string from_runes(std::u32string_view runes);

bool is_space(char32_t rune);   // Unicode White_Space
bool is_letter(char32_t rune);  // Unicode categories L*
bool is_digit(char32_t rune);   // Unicode category Nd
// The blanks that separate words of an instruction: tab, vertical tab, form feed, carriage return, space.
bool is_blank(char character);

std::string_view trim_space(std::string_view text);  // both ends, is_space
std::string_view trim_left_space(std::string_view text);
std::vector<std::string> split_blanks(std::string_view text);  // at runs of is_blank; "" gives {}
std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);

std::string to_lower(std::string_view text);  // ASCII letters only
std::string to_upper(std::string_view text);
bool equal_fold(std::string_view left, std::string_view right);

// `text` between double quotes with backslash escapes, as the history of an image shows command words.
std::string in_quotes(std::string_view text);

// The candidate with the smallest edit distance to `name`, or "" if none is nearer than three edits or one is
// equal.
std::string nearest(std::string_view name, std::span<const std::string_view> candidates);
std::string nearest(std::string_view name, std::span<const std::string> candidates);

}  // namespace bottle::dockerfile
