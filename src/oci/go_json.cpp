// SPDX-License-Identifier: Apache-2.0
#include "oci/go_json.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "util/ascii.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr std::size_t kMaximumDepth = 64;
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// The length of the UTF-8 sequence that `text` begins with; 0 if it is invalid (Unicode, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const unsigned char second = byte(1);
  const bool bad = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
                   (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
  return bad ? 0 : length;
}

// The number of "\uXXXX" at the beginning of `text`.
std::optional<unsigned> unicode_escape(std::string_view text) {
  if (text.size() < 6 || !text.starts_with("\\u")) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(2, 4)) {
    const char digit = ascii_lower(c);
    if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f')) return std::nullopt;
    value = value << 4 | static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  }
  return value;
}

// The text with U+FFFD for what is not Unicode. Backslashes are valid in strings only, so strings need not be
// told from the rest.
std::string repaired(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    std::size_t length = sequence_length(text);
    std::string_view unit = text.substr(0, length);
    if (length == 0) {
      length = 1;
      unit = kReplacement;
    } else if (text.front() == '\\') {
      length = std::min<std::size_t>(2, text.size());
      // Of an escaped byte above 0x7f the parser says that it is wrong.
      if (length == 2 && static_cast<unsigned char>(text[1]) >= 0x80) length = 1;
      unit = text.substr(0, length);
      if (const auto first = unicode_escape(text); first && *first >= 0xd800 && *first < 0xe000) {
        const auto second = unicode_escape(text.substr(6));
        const bool paired = *first < 0xdc00 && second && *second >= 0xdc00 && *second < 0xe000;
        length = paired ? 12 : 6;
        unit = paired ? text.substr(0, length) : kReplacement;
      }
    }
    result += unit;
    text.remove_prefix(length);
  }
  return result;
}

// Builds the document from the events of the parser.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(const Member& root, const std::string& name) : root_(root), name_(name) {}

  Json document;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*elements*/) override {
    const Member* member = next_member();
    open(Json::object(), member != nullptr ? member->members : std::span<const Member>(), nullptr);
    return true;
  }
  bool start_array(std::size_t /*elements*/) override {
    const Member* member = next_member();
    open(Json::array(), {}, member != nullptr && member->type == MemberType::objects ? member : nullptr);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Level& level = levels_.back();
    level.member = nullptr;
    for (const bool exactly : {true, false})
      for (const Member& member : level.members)
        if (level.member == nullptr && (exactly ? name == member.name : equal_caseless(name, member.name)))
          level.member = &member;
    level.key = level.member != nullptr ? level.member->name : std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    if (dynamic_cast<const Json::out_of_range*>(&error) != nullptr)
      throw Error("not valid JSON: a number is too large", {.where = name_});
    throw Error("not valid JSON at byte " + std::to_string(position), {.where = name_});
  }

 private:
  // An object or array that is not complete.
  struct Level {
    Json* value;
    std::span<const Member> members;  // of an object
    const Member* elements;           // an array of objects with the members of this one
    std::string key = {};
    const Member* member = nullptr;  // of the key; nullptr: unknown
  };

  // What the next value is; nullptr: unknown.
  const Member* next_member() const {
    if (levels_.empty()) return &root_;
    return levels_.back().value->is_array() ? levels_.back().elements : levels_.back().member;
  }

  // The place of the next value.
  Json& place() {
    if (levels_.empty()) return document;
    Level& level = levels_.back();
    if (level.value->is_array()) return level.value->emplace_back();
    return (*level.value)[level.key];
  }

  bool add(Json value) {
    if (value.is_null() && !levels_.empty() && levels_.back().value->is_object() && keeps_null_away())
      return true;
    place() = std::move(value);
    return true;
  }

  bool keeps_null_away() const {
    const Level& level = levels_.back();
    if (level.member == nullptr || !level.value->contains(level.key)) return false;
    const MemberType type = level.member->type;
    return type == MemberType::string || type == MemberType::boolean || type == MemberType::integer ||
           type == MemberType::object;
  }

  void open(Json empty, std::span<const Member> members, const Member* elements) {
    if (levels_.size() >= kMaximumDepth)
      throw Error("JSON is nested deeper than " + std::to_string(kMaximumDepth) + " levels",
                  {.where = name_});
    const bool is_known = next_member() != nullptr;
    Json& value = place();
    if (!is_known || !value.is_object() || !empty.is_object()) value = std::move(empty);
    levels_.push_back({.value = &value, .members = members, .elements = elements});
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  const Member& root_;
  const std::string& name_;
  std::vector<Level> levels_;
};

}  // namespace

Json parse_go_json(std::string_view text, const Member& root, const std::string& name) {
  // The parser skips the one and ends at the other.
  const std::size_t bad = text.starts_with(kByteOrderMark) ? 0 : text.find('\0');
  if (bad != std::string_view::npos)
    throw Error("not valid JSON at byte " + std::to_string(bad + 1), {.where = name});
  Builder builder(root, name);
  Json::sax_parse(repaired(text), &builder);
  return std::move(builder.document);
}

}  // namespace bottle::oci
