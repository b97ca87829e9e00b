// SPDX-License-Identifier: Apache-2.0
#include "oci/config_members.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <span>

#include "oci/go_json.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

using Type = MemberType;

constexpr std::array<Member, 6> kHealthcheck{{{"Test", Type::strings},
                                              {"Interval", Type::integer},
                                              {"Timeout", Type::integer},
                                              {"StartPeriod", Type::integer},
                                              {"StartInterval", Type::integer},
                                              {"Retries", Type::integer}}};
constexpr std::array<Member, 13> kRunConfig{{{"User", Type::string},
                                             {"ExposedPorts", Type::set},
                                             {"Env", Type::strings},
                                             {"Entrypoint", Type::strings},
                                             {"Cmd", Type::strings},
                                             {"Volumes", Type::set},
                                             {"WorkingDir", Type::string},
                                             {"Labels", Type::map},
                                             {"StopSignal", Type::string},
                                             {"ArgsEscaped", Type::boolean},
                                             {"Healthcheck", Type::object, kHealthcheck},
                                             {"OnBuild", Type::strings},
                                             {"Shell", Type::strings}}};
constexpr std::array<Member, 5> kHistory{{{"created", Type::time},
                                          {"created_by", Type::string},
                                          {"author", Type::string},
                                          {"comment", Type::string},
                                          {"empty_layer", Type::boolean}}};
constexpr std::array<Member, 2> kRootfs{{{"type", Type::string}, {"diff_ids", Type::strings}}};
constexpr std::array<Member, 10> kImage{{{"created", Type::time},
                                         {"author", Type::string},
                                         {"architecture", Type::string},
                                         {"variant", Type::string},
                                         {"os", Type::string},
                                         {"os.version", Type::string},
                                         {"os.features", Type::strings},
                                         {"config", Type::object, kRunConfig},
                                         {"rootfs", Type::object, kRootfs},
                                         {"history", Type::objects, kHistory}}};

std::string below(const std::string& place, const std::string& key) {
  return place + (Json::json_pointer() / key).to_string();
}

[[noreturn]] void fail(const Json& value, const std::string& place, const char* expected) {
  JsonView(value, place).fail(expected);
}

// The number of two digits at `at`, if it is from `least` to `most`.
std::optional<unsigned> two_digits(std::string_view text, std::size_t at, unsigned least, unsigned most) {
  const auto value = parse_unsigned(text.substr(std::min(at, text.size()), 2));
  if (!value || text.size() < at + 2 || *value < least || *value > most) return std::nullopt;
  return static_cast<unsigned>(*value);
}

// "2001-09-09T01:46:40.5+01:00" of a day that exists. Go accepts a comma before the fraction.
bool is_time(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < kShape.size() + 1) return false;
  for (std::size_t i = 0; i < kShape.size(); ++i)
    if (kShape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != kShape[i]) return false;
  const auto year = parse_unsigned(text.substr(0, 4));
  const auto month = two_digits(text, 5, 1, 12), day = two_digits(text, 8, 1, 31);
  if (!year || !month || !day || !two_digits(text, 11, 0, 23) || !two_digits(text, 14, 0, 59) ||
      !two_digits(text, 17, 0, 59))
    return false;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok()) return false;
  std::string_view rest = text.substr(kShape.size());
  if (rest[0] == '.' || rest[0] == ',') {
    const std::size_t end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    if (end == 1) return false;
    rest.remove_prefix(end);
  }
  if (rest == "Z") return true;
  return rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && two_digits(rest, 1, 0, 23) &&
         rest[3] == ':' && two_digits(rest, 4, 0, 59);
}

void normalize_object(Json& object, std::span<const Member> members, const std::string& place);

// The value of a member, which is not null.
void normalize_value(Json& value, const Member& member, const std::string& place) {
  const auto each = [&](bool is_kind, const char* kind, const Json& empty, const auto& check) {
    if (!is_kind) fail(value, place, kind);
    for (auto& [key, element] : value.items()) {
      if (element.is_null()) element = empty;
      check(element, below(place, key));
    }
  };
  const auto check_string = [](const Json& element, const std::string& where) {
    if (!element.is_string()) fail(element, where, "a string");
  };
  const auto check_object = [&](Json& element, const std::string& where) {
    normalize_object(element, member.members, where);
  };
  switch (member.type) {
    case Type::string:
      return check_string(value, place);
    case Type::boolean:
      if (!value.is_boolean()) fail(value, place, "true or false");
      return;
    case Type::integer:
      if (!value.is_number_integer()) fail(value, place, "a whole number");
      return;
    case Type::time:
      if (!value.is_string() || !is_time(value.get_ref<const std::string&>()))
        fail(value, place, "a time (RFC 3339)");
      // Readers other than Go's know the point only.
      if (std::string& time = value.get_ref<std::string&>(); time[19] == ',') time[19] = '.';
      return;
    case Type::strings:
      return each(value.is_array(), "an array of strings", "", check_string);
    case Type::set:
      return each(value.is_object(), "an object of empty objects", Json::object(), check_object);
    case Type::map:
      return each(value.is_object(), "an object of strings", "", check_string);
    case Type::object:
      return normalize_object(value, member.members, place);
    case Type::objects:
      return each(value.is_array(), "an array of objects", Json::object(), check_object);
  }
}

void normalize_object(Json& object, std::span<const Member> members, const std::string& place) {
  if (!object.is_object()) fail(object, place, "an object");
  for (const Member& member : members) {
    const auto found = object.find(member.name);
    if (found == object.end()) continue;
    if (found->is_null())
      object.erase(found);
    else
      normalize_value(*found, member, below(place, member.name));
  }
}

}  // namespace

void normalize_config(Json& config, const std::string& name) {
  normalize_object(config, kImage, name + "#");
}

Json read_config(std::string_view text, const std::string& name) {
  Json config = parse_go_json(text, {.name = "", .type = Type::object, .members = kImage}, name);
  normalize_config(config, name);
  return config;
}

}  // namespace bottle::oci
