// SPDX-License-Identifier: Apache-2.0
#include "util/json.hpp"

#include "util/error.hpp"

namespace bottle {
namespace {

constexpr int kMaximumDepth = 64;

}  // namespace

Json parse_json(std::string_view text, const std::string& name) {
  // nlohmann parses without recursion, but destroys and walks recursively: bound the depth as it comes in.
  const auto bounded = [&](int depth, Json::parse_event_t event, Json&) {
    if (depth > kMaximumDepth &&
        (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start))
      throw Error("JSON is nested deeper than " + std::to_string(kMaximumDepth) + " levels", {.where = name});
    return true;
  };
  try {
    return Json::parse(text, bounded);
  } catch (const Json::parse_error& error) {
    throw Error("not valid JSON at byte " + std::to_string(error.byte), {.where = name});
  } catch (const Json::out_of_range&) {
    throw Error("not valid JSON: a number is too large", {.where = name});
  }
}

JsonView JsonView::at(const std::string& key) const {
  if (!value_->is_object()) fail("an object");
  const auto found = value_->find(key);
  if (found == value_->end()) throw Error("the member \"" + key + "\" is missing", {.where = place_});
  return {*found, place_ + (Json::json_pointer() / key).to_string()};
}

std::optional<JsonView> JsonView::find(const std::string& key) const {
  if (!value_->is_object()) fail("an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonView(*found, place_ + (Json::json_pointer() / key).to_string());
}

std::vector<JsonView> JsonView::elements() const {
  if (!value_->is_array()) fail("an array");
  std::vector<JsonView> views;
  for (std::size_t i = 0; i < value_->size(); ++i)
    views.emplace_back((*value_)[i], place_ + "/" + std::to_string(i));
  return views;
}

std::string JsonView::string() const {
  if (!value_->is_string()) fail("a string");
  return value_->get<std::string>();
}

std::uint64_t JsonView::unsigned_number(std::uint64_t maximum) const {
  if (!value_->is_number_unsigned() || value_->get<std::uint64_t>() > maximum)
    fail("a whole number from 0 to " + std::to_string(maximum));
  return value_->get<std::uint64_t>();
}

bool JsonView::boolean() const {
  if (!value_->is_boolean()) fail("true or false");
  return value_->get<bool>();
}

std::vector<std::string> JsonView::strings() const {
  std::vector<std::string> result;
  for (const JsonView& element : elements())
    result.push_back(element.string());
  return result;
}

std::string JsonView::string_or(const std::string& key, const std::string& fallback) const {
  const auto member = find(key);
  return member ? member->string() : fallback;
}

std::vector<std::string> JsonView::strings_or_empty(const std::string& key) const {
  const auto member = find(key);
  return member ? member->strings() : std::vector<std::string>{};
}

bool JsonView::boolean_or(const std::string& key, bool fallback) const {
  const auto member = find(key);
  return member ? member->boolean() : fallback;
}

void JsonView::fail(const std::string& expected) const {
  std::string found = value_->dump(-1, ' ', false, Json::error_handler_t::replace);
  if (found.size() > 60) found = found.substr(0, 57) + "...";
  throw Error("expected " + expected + ", found " + found, {.where = place_});
}

}  // namespace bottle
