// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/flags.hpp"

#include <algorithm>
#include <set>

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

std::string boolean_forms(const std::string& flag) {
  return flag + " or " + flag + "=false";
}

std::string not_boolean(const std::string& flag, const std::string& value) {
  return "flag " + flag + " is true or false, not " + value;
}

}  // namespace

FlagSet::FlagSet(const Node& node, const SourceText& source, std::vector<Declared> declared) {
  for (const Flag& flag : node.flags) {
    const auto fail = [&](std::string message, std::string hint = {}) {
      throw SourceError(source, flag.position, std::move(message), std::move(hint));
    };
    const std::size_t equals = flag.text.find('=');
    const bool has_value = equals != std::string::npos;
    const std::string shown = flag.text.substr(0, equals);
    if (flag.text.substr(0, 2) != "--") fail("flags start with --, found " + flag.text);
    const std::string_view name = std::string_view(shown).substr(2);
    const auto known = std::find_if(declared.begin(), declared.end(),
                                    [&](const Declared& each) { return each.name == name; });
    if (known == declared.end()) {
      std::vector<std::string_view> names;
      names.reserve(declared.size());
      for (const Declared& each : declared)
        names.push_back(each.name);
      const std::string near = nearest(name, std::span<const std::string_view>(names));
      std::string hint;
      if (!near.empty()) {
        hint = "did you mean --" + near + "?";
      } else if (names.empty()) {
        hint = to_upper(node.keyword) + " takes no flags";
      } else {
        std::sort(names.begin(), names.end());
        for (const std::string_view each : names)
          hint.append(hint.empty() ? "its flags are --" : ", --").append(each);
      }
      fail("unknown flag " + shown + " for " + to_upper(node.keyword), hint);
    }
    const bool repeated =
        std::any_of(values_.begin(), values_.end(), [&](const Value& value) { return value.name == name; });
    if (repeated && known->kind != Kind::texts) fail("duplicate flag " + shown, "remove one of them");
    std::string value = has_value ? flag.text.substr(equals + 1) : std::string();
    if (known->kind == Kind::boolean) {
      if (has_value && value.empty())
        fail("missing a value on flag " + shown, "write " + boolean_forms(shown));
      value = value.empty() ? "true" : to_lower(value);
      if (value != "true" && value != "false") fail(not_boolean(shown, value));
    } else if (!has_value) {
      fail("missing a value on flag " + shown, "write " + shown + "=<value>");
    }
    values_.push_back({known->name, std::move(value), flag.position});
  }
}

std::optional<bool> FlagSet::boolean(std::string_view name) const {
  const auto value = text(name);
  if (!value) return std::nullopt;
  return *value == "true";
}

std::optional<std::string> FlagSet::text(std::string_view name) const {
  for (const Value& value : values_) {
    if (value.name == name) return value.text;
  }
  return std::nullopt;
}

std::vector<std::string> FlagSet::texts(std::string_view name) const {
  std::vector<std::string> result;
  for (const Value& value : values_) {
    if (value.name == name) result.push_back(value.text);
  }
  return result;
}

std::vector<std::string> FlagSet::used() const {
  std::set<std::string> names;
  for (const Value& value : values_)
    names.emplace(value.name);
  return {names.begin(), names.end()};
}

Position FlagSet::position(std::string_view name) const {
  for (const Value& value : values_) {
    if (value.name == name) return value.position;
  }
  return {};
}

}  // namespace bottle::dockerfile
