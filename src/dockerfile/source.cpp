// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/source.hpp"

#include <algorithm>

namespace bottle::dockerfile {
namespace {

std::string number_margin(int line) {
  const std::string number = std::to_string(line);
  return std::string(number.size() < 5 ? 5 - number.size() : 0, ' ') + number + " | ";
}

std::string with_excerpt(const std::string& text, const std::string& excerpt) {
  return excerpt.empty() ? text : text + "\n" + excerpt;
}

}  // namespace

SourceText::SourceText(std::string_view file_name, std::string_view text) : name(file_name) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.emplace_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
}

std::string SourceText::where(Position position) const {
  if (position.line <= 0) return name;
  std::string text = name + ":" + std::to_string(position.line);
  if (position.column > 0) text += ":" + std::to_string(position.column);
  return text;
}

std::string SourceText::excerpt(Position position) const {
  if (position.line <= 0 || static_cast<std::size_t>(position.line) > lines.size()) return {};
  const std::string& line = lines[static_cast<std::size_t>(position.line) - 1];
  const std::string margin = number_margin(position.line);
  std::string text = margin + line;
  if (position.column <= 0) return text;
  text += "\n" + std::string(margin.size() - 2, ' ') + "| ";
  const std::size_t before = std::min(line.size(), static_cast<std::size_t>(position.column) - 1);
  // Tabs stay tabs and continuation bytes of UTF-8 take no column, so that the caret stands where the eye
  // expects it.
  for (std::size_t at = 0; at < before; ++at) {
    if ((static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) continue;
    text += line[at] == '\t' ? '\t' : ' ';
  }
  return text + "^";
}

SourceError::SourceError(const SourceText& source, Position position, std::string summary, std::string hint)
    : Error(with_excerpt(summary, source.excerpt(position)),
            {.where = source.where(position), .hint = std::move(hint)}),
      summary_(std::move(summary)),
      position_(position) {
  std::string text = where() + ": " + summary_;
  if (!this->hint().empty()) text += "; " + this->hint();
  full_text_ = with_excerpt(text, source.excerpt(position));
}

}  // namespace bottle::dockerfile
