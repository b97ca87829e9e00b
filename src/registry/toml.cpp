// SPDX-License-Identifier: Apache-2.0
#include "registry/toml.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

OrderedJson convert(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    // Tables of the library are sorted by name.
    std::vector<std::pair<std::string, const toml::node*>> members;
    for (const auto& [key, value] : *table)
      members.emplace_back(std::string(key.str()), &value);
    const auto place = [](const toml::node& value) {
      return std::pair(value.source().begin.line, value.source().begin.column);
    };
    std::stable_sort(members.begin(), members.end(),
                     [&](const auto& a, const auto& b) { return place(*a.second) < place(*b.second); });
    OrderedJson object = OrderedJson::object();
    for (const auto& [key, value] : members)
      object[key] = convert(*value);
    return object;
  }
  if (const auto* array = node.as_array()) {
    OrderedJson list = OrderedJson::array();
    for (const toml::node& value : *array)
      list.push_back(convert(value));
    return list;
  }
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto flag = node.value_exact<bool>()) return *flag;
  if (const auto number = node.value_exact<std::int64_t>()) return *number;
  if (const auto number = node.value_exact<double>()) return *number;
  std::ostringstream text;  // a date or a time
  node.visit([&](const auto& value) {
    if constexpr (!toml::is_table<decltype(value)> && !toml::is_array<decltype(value)>) text << value;
  });
  return text.str();
}

}  // namespace

OrderedJson parse_toml(std::string_view text, const std::string& name) {
  try {
    return convert(toml::parse(text));
  } catch (const toml::parse_error& error) {
    const toml::source_position& at = error.source().begin;
    throw Error("cannot read TOML: " + escape_word(std::string(error.description()).substr(0, 300)),
                {.where = name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column)});
  }
}

}  // namespace bottle::registry
