// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/duration.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <utility>

namespace bottle::dockerfile {
namespace {

using Wide = unsigned __int128;
constexpr Wide kLimit = Wide{1} << 63;

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 8> kUnits{{
    {"ns", 1},
    {"us", 1000},
    {"\xC2\xB5s", 1000},  // U+00B5 micro sign
    {"\xCE\xBCs", 1000},  // U+03BC Greek letter mu
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", 60000000000},
    {"h", 3600000000000},
}};

bool digit(char character) {
  return character >= '0' && character <= '9';
}

std::uint64_t unit_of(std::string_view name) {
  for (const auto& [unit, size] : kUnits) {
    if (unit == name) return size;
  }
  return 0;
}

// "12.5" without trailing zeros of the fraction, from an amount of `unit` nanoseconds.
std::string decimal(std::uint64_t amount, std::uint64_t unit) {
  std::string text = std::to_string(amount / unit);
  std::uint64_t rest = amount % unit;
  if (rest == 0) return text;
  text += '.';
  while (rest != 0) {
    rest *= 10;
    text += static_cast<char>('0' + rest / unit);
    rest %= unit;
  }
  return text;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  Wide total = 0;
  while (!text.empty()) {
    Wide whole = 0;
    std::size_t digits = 0;
    while (digits < text.size() && digit(text[digits])) {
      whole = whole * 10 + static_cast<unsigned>(text[digits++] - '0');
      if (whole > kLimit) return std::nullopt;
    }
    text.remove_prefix(digits);
    Wide fraction = 0;
    Wide scale = 1;
    if (!text.empty() && text.front() == '.') {
      text.remove_prefix(1);
      std::size_t places = 0;
      while (places < text.size() && digit(text[places])) {
        if (scale < Wide{1} << 59) {  // further digits are less than a nanosecond of any unit
          fraction = fraction * 10 + static_cast<unsigned>(text[places] - '0');
          scale *= 10;
        }
        ++places;
      }
      text.remove_prefix(places);
      digits += places;
    }
    if (digits == 0) return std::nullopt;
    std::size_t end = 0;
    while (end < text.size() && text[end] != '.' && !digit(text[end]))
      ++end;
    const std::uint64_t unit = unit_of(text.substr(0, end));
    if (unit == 0) return std::nullopt;
    text.remove_prefix(end);
    total += whole * unit + fraction * unit / scale;
    if (total > kLimit) return std::nullopt;
  }
  if (total == kLimit) {
    if (!negative) return std::nullopt;
    return std::chrono::nanoseconds(std::numeric_limits<std::int64_t>::min());
  }
  const auto value = static_cast<std::int64_t>(total);
  return std::chrono::nanoseconds(negative ? -value : value);
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const std::int64_t count = duration.count();
  if (count == 0) return "0s";
  const std::uint64_t amount =
      count < 0 ? ~static_cast<std::uint64_t>(count) + 1 : static_cast<std::uint64_t>(count);
  std::string text = count < 0 ? "-" : "";
  constexpr std::uint64_t kSecond = 1000000000;
  if (amount < 1000) return text + std::to_string(amount) + "ns";
  if (amount < 1000000) return text + decimal(amount, 1000) + "\xC2\xB5s";
  if (amount < kSecond) return text + decimal(amount, 1000000) + "ms";
  const std::uint64_t minutes = amount / (60 * kSecond);
  if (minutes >= 60) text += std::to_string(minutes / 60) + "h";
  if (minutes > 0) text += std::to_string(minutes % 60) + "m";
  return text + decimal(amount % (60 * kSecond), kSecond) + "s";
}

}  // namespace bottle::dockerfile
