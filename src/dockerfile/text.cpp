// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/text.hpp"

#include <algorithm>
#include <array>

namespace bottle::dockerfile {
namespace {

bool continuation(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

char32_t low_bits(char byte, unsigned mask) {
  return static_cast<unsigned char>(byte) & mask;
}

// Code points beside the control characters that show nothing, so that quoting has to spell them.
bool is_printable(char32_t rune) {
  if (rune < 0x20 || rune == 0x7F) return false;
  if (rune < 0x7F) return true;
  if (rune <= 0xA0 || rune == 0xAD) return false;
  if (is_space(rune)) return false;
  if ((rune >= 0x200B && rune <= 0x200F) || (rune >= 0x202A && rune <= 0x202E)) return false;
  if ((rune >= 0x2060 && rune <= 0x206F) || rune == 0xFEFF) return false;
  if ((rune >= 0xD800 && rune <= 0xF8FF) || (rune >= 0xFFF0 && rune <= 0xFFFB)) return false;
  if ((rune & 0xFFFE) == 0xFFFE || rune >= 0xE0000) return false;
  return true;
}

void append_hex(std::string& text, char32_t value, int digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4)
    text += kDigits[(value >> shift) & 0xF];
}

std::size_t edit_distance(std::u32string_view left, std::u32string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t column = 0; column <= right.size(); ++column)
    row[column] = column;
  for (std::size_t line = 1; line <= left.size(); ++line) {
    std::size_t diagonal = row[0];
    row[0] = line;
    for (std::size_t column = 1; column <= right.size(); ++column) {
      const std::size_t replace = diagonal + (left[line - 1] == right[column - 1] ? 0 : 1);
      diagonal = row[column];
      row[column] = std::min({replace, row[column] + 1, row[column - 1] + 1});
    }
  }
  return row.back();
}

template <typename Text>
std::string nearest_of(std::string_view name, std::span<const Text> candidates) {
  const std::u32string wanted = to_runes(name);
  std::size_t best = 3;
  std::string found;
  for (const auto& candidate : candidates) {
    if (name == candidate) return {};
    const std::size_t distance = edit_distance(wanted, to_runes(candidate));
    if (distance < best) {
      best = distance;
      found = std::string(candidate);
    }
  }
  return found;
}

}  // namespace

Rune decode_rune(std::string_view text, std::size_t offset) {
  if (offset >= text.size()) return {0, 0};
  const auto first = static_cast<unsigned char>(text[offset]);
  if (first < 0x80) return {first, 1};
  std::size_t width = 0;
  char32_t value = 0;
  if (first >= 0xC2 && first <= 0xDF) {
    width = 2;
    value = first & 0x1Fu;
  } else if (first >= 0xE0 && first <= 0xEF) {
    width = 3;
    value = first & 0x0Fu;
  } else if (first >= 0xF0 && first <= 0xF4) {
    width = 4;
    value = first & 0x07u;
  } else {
    return {kReplacement, 1};
  }
  for (std::size_t index = 1; index < width; ++index) {
    if (!continuation(text, offset + index)) return {kReplacement, 1};
    value = (value << 6) | low_bits(text[offset + index], 0x3F);
  }
  const bool overlong = (width == 3 && value < 0x800) || (width == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return {kReplacement, 1};
  return {value, width};
}

void append_rune(std::string& text, char32_t rune) {
  const auto byte = [&text](char32_t value) { text += static_cast<char>(static_cast<unsigned char>(value)); };
  if (rune < 0x80) {
    byte(rune);
  } else if (rune < 0x800) {
    byte(0xC0 | (rune >> 6));
    byte(0x80 | (rune & 0x3F));
  } else if (rune < 0x10000) {
    byte(0xE0 | (rune >> 12));
    byte(0x80 | ((rune >> 6) & 0x3F));
    byte(0x80 | (rune & 0x3F));
  } else {
    byte(0xF0 | (rune >> 18));
    byte(0x80 | ((rune >> 12) & 0x3F));
    byte(0x80 | ((rune >> 6) & 0x3F));
    byte(0x80 | (rune & 0x3F));
  }
}

std::u32string to_runes(std::string_view text) {
  std::u32string runes;
  runes.reserve(text.size());
  for (std::size_t offset = 0; offset < text.size();) {
    const Rune rune = decode_rune(text, offset);
    runes += rune.value;
    offset += rune.width;
  }
  return runes;
}

std::string from_runes(std::u32string_view runes) {
  std::string text;
  text.reserve(runes.size());
  for (const char32_t rune : runes)
    append_rune(text, rune);
  return text;
}

bool is_space(char32_t rune) {
  if (rune <= 0x20) return rune == ' ' || (rune >= '\t' && rune <= '\r');
  if (rune < 0x85) return false;
  return rune == 0x85 || rune == 0xA0 || rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200A) ||
         rune == 0x2028 || rune == 0x2029 || rune == 0x202F || rune == 0x205F || rune == 0x3000;
}

bool is_blank(char character) {
  return character == ' ' || character == '\t' || character == '\v' || character == '\f' || character == '\r';
}

std::string_view trim_left_space(std::string_view text) {
  while (!text.empty()) {
    const Rune rune = decode_rune(text, 0);
    if (!is_space(rune.value)) break;
    text.remove_prefix(rune.width);
  }
  return text;
}

std::string_view trim_space(std::string_view text) {
  text = trim_left_space(text);
  while (!text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && continuation(text, start))
      --start;
    const Rune rune = decode_rune(text, start);
    if (start + rune.width != text.size() || !is_space(rune.value)) break;
    text.remove_suffix(rune.width);
  }
  return text;
}

std::vector<std::string> split_blanks(std::string_view text) {
  std::vector<std::string> words;
  if (text.empty()) return words;
  std::string word;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!is_blank(text[at])) {
      word += text[at];
      continue;
    }
    words.push_back(std::move(word));
    word.clear();
    while (at + 1 < text.size() && is_blank(text[at + 1]))
      ++at;
  }
  words.push_back(std::move(word));
  return words;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string text;
  for (std::size_t index = 0; index < parts.size(); ++index) {
    if (index > 0) text += separator;
    text += parts[index];
  }
  return text;
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  for (char& character : result) {
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  }
  return result;
}

std::string to_upper(std::string_view text) {
  std::string result(text);
  for (char& character : result) {
    if (character >= 'a' && character <= 'z') character = static_cast<char>(character - 'a' + 'A');
  }
  return result;
}

bool equal_fold(std::string_view left, std::string_view right) {
  return to_lower(left) == to_lower(right);
}

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (std::size_t offset = 0; offset < text.size();) {
    const Rune rune = decode_rune(text, offset);
    const auto byte = static_cast<unsigned char>(text[offset]);
    offset += rune.width;
    constexpr std::string_view kNamed = "\a\b\f\n\r\t\v\\\"";
    constexpr std::string_view kNames = "abfnrtv\\\"";
    const std::size_t named =
        rune.value < 0x80 ? kNamed.find(static_cast<char>(rune.value)) : std::string_view::npos;
    if (rune.value == kReplacement && rune.width == 1) {
      result += "\\x";
      append_hex(result, byte, 2);
    } else if (named != std::string_view::npos) {
      result += '\\';
      result += kNames[named];
    } else if (is_printable(rune.value)) {
      append_rune(result, rune.value);
    } else if (rune.value < 0x80) {
      result += "\\x";
      append_hex(result, rune.value, 2);
    } else if (rune.value < 0x10000) {
      result += "\\u";
      append_hex(result, rune.value, 4);
    } else {
      result += "\\U";
      append_hex(result, rune.value, 8);
    }
  }
  return result + "\"";
}

std::string nearest(std::string_view name, std::span<const std::string_view> candidates) {
  return nearest_of(name, candidates);
}

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  return nearest_of(name, candidates);
}

}  // namespace bottle::dockerfile
