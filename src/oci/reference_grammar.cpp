#include "oci/reference_grammar.hpp"

#include <algorithm>

#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr std::size_t kMaximumRepository = 255;
constexpr std::size_t kMaximumTag = 128;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || is_digit(c);
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || is_upper(c);
}

bool is_component(std::string_view text) {
  std::size_t at = 0;
  for (;;) {
    const std::size_t start = at;
    while (at < text.size() && is_lower_alnum(text[at]))
      ++at;
    if (at == start) return false;
    if (at == text.size()) return true;
    if (text[at] == '.') {
      ++at;
    } else if (text[at] == '_') {
      at += text.substr(at, 2) == "__" ? 2 : 1;
    } else if (text[at] == '-') {
      while (at < text.size() && text[at] == '-')
        ++at;
    } else {
      return false;
    }
  }
}

}  // namespace

bool is_reference_path(std::string_view text) {
  if (text.empty() || text.size() > kMaximumRepository) return false;
  const auto components = split(text, '/');
  return std::all_of(components.begin(), components.end(), is_component);
}

bool is_reference_tag(std::string_view text) {
  if (text.empty() || text.size() > kMaximumTag || text.front() == '.' || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_reference_domain(std::string_view text) {
  if (text.empty()) return false;
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos && text.back() != ']') {
    const std::string_view port = text.substr(colon + 1);
    if (port.empty() || !std::all_of(port.begin(), port.end(), is_digit)) return false;
    text = text.substr(0, colon);
  }
  if (!text.empty() && text.front() == '[') {
    if (text.size() < 3 || text.back() != ']') return false;
    return text.substr(1, text.size() - 2).find_first_not_of("0123456789abcdefABCDEF:") ==
           std::string_view::npos;
  }
  const auto labels = split(text, '.');
  return std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
    return !label.empty() && is_alnum(label.front()) && is_alnum(label.back()) &&
           std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; });
  });
}

bool begins_with_domain(std::string_view first_component) {
  return first_component.find_first_of(".:[") != std::string_view::npos || first_component == "localhost" ||
         std::any_of(first_component.begin(), first_component.end(), is_upper);
}

}  // namespace bottle::oci
