// SPDX-License-Identifier: Apache-2.0
#include "run/message.hpp"

#include "util/text.hpp"

namespace bottle::run {

std::string message(std::initializer_list<std::string_view> fields) {
  constexpr std::size_t kLongestNumber = 21;
  std::size_t size = 0;
  for (const std::string_view field : fields)
    size += kLongestNumber + field.size();
  std::string text;
  text.reserve(size);
  for (const std::string_view field : fields) {
    append_number(text, field.size());
    text += ':';
    text += field;
  }
  return text;
}

std::optional<std::vector<std::string_view>> message_fields(std::string_view text) {
  std::vector<std::string_view> fields;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto size = parse_unsigned(text.substr(0, colon));
    text.remove_prefix(colon + 1);
    if (!size || *size > text.size()) return std::nullopt;
    fields.push_back(text.substr(0, *size));
    text.remove_prefix(*size);
  }
  if (fields.empty()) return std::nullopt;
  return fields;
}

}  // namespace bottle::run
