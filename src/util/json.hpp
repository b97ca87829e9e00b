// SPDX-License-Identifier: Apache-2.0
// Reading JSON with errors that carry the JSON pointer (RFC 6901), what was expected and what was found.
// Include it in .cpp files only: nlohmann/json is slow to compile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace bottle {

using Json = nlohmann::json;
// Keeps the order of insertion, for documents whose byte sequence is fixed by a format.
using OrderedJson = nlohmann::ordered_json;

// Parses `text`; `name` (a path, a digest) is the place in errors. Refuses nesting deeper than 64 and invalid
// UTF-8.
Json parse_json(std::string_view text, const std::string& name);

// A value inside a document together with its place, so that errors name it: "<name>#/layers/0/size".
class JsonView {
 public:
  JsonView(const Json& value, std::string place) : value_(&value), place_(std::move(place)) {}

  // The member, which must exist.
  JsonView at(const std::string& key) const;
  // The member, or nullopt if it is absent or null.
  std::optional<JsonView> find(const std::string& key) const;
  std::vector<JsonView> elements() const;  // of an array

  std::string string() const;
  std::uint64_t unsigned_number(std::uint64_t maximum = UINT64_MAX) const;
  bool boolean() const;
  std::vector<std::string> strings() const;  // of an array of strings

  // With defaults for absent or null members.
  std::string string_or(const std::string& key, const std::string& fallback) const;
  std::vector<std::string> strings_or_empty(const std::string& key) const;
  bool boolean_or(const std::string& key, bool fallback) const;

  const Json& value() const { return *value_; }
  const std::string& place() const { return place_; }
  [[noreturn]] void fail(const std::string& expected) const;

 private:
  const Json* value_;
  std::string place_;
};

}  // namespace bottle
