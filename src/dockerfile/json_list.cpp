// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/json_list.hpp"

#include <nlohmann/json.hpp>

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

std::optional<unsigned> hex_escape(std::string_view text, std::size_t at) {
  if (text.size() < at + 6 || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  unsigned value = 0;
  for (const char digit : text.substr(at + 2, 4)) {
    const std::size_t place =
        std::string_view("0123456789abcdef").find(to_lower(std::string_view(&digit, 1)));
    if (place == std::string_view::npos) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(place);
  }
  return value;
}

// The same text with what a strict reader would refuse replaced as the reference frontend replaces it.
std::string repaired(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      const auto unit = hex_escape(text, at);
      const bool high = unit && *unit >= 0xD800 && *unit <= 0xDBFF;
      const bool low = unit && *unit >= 0xDC00 && *unit <= 0xDFFF;
      const auto second = high ? hex_escape(text, at + 6) : std::nullopt;
      if (high && second && *second >= 0xDC00 && *second <= 0xDFFF) {
        result += text.substr(at, 12);
        at += 12;
      } else if (high || low) {
        result += "\\ufffd";
        at += 6;
      } else {
        result += text[at++];
        const Rune rune = decode_rune(text, at);
        append_rune(result, rune.value);
        at += rune.width;
      }
      continue;
    }
    const Rune rune = decode_rune(text, at);
    append_rune(result, rune.value);
    at += rune.width;
  }
  return result;
}

}  // namespace

JsonList parse_json_list(std::string_view text) {
  JsonList result;
  text = trim_left_space(text);
  if (text.empty() || text.front() != '[') return result;
  const auto value = nlohmann::json::parse(repaired(text), nullptr, false);
  if (!value.is_array()) return result;
  result.kind = JsonList::Kind::strings;
  for (const auto& item : value) {
    if (!item.is_string()) {
      result.kind = JsonList::Kind::other_values;
      result.strings.clear();
      return result;
    }
    result.strings.push_back(item.get<std::string>());
  }
  return result;
}

}  // namespace bottle::dockerfile
