// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/run_flags.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <span>

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

[[noreturn]] void fail_flag(const std::string& message, const std::string& hint = {}) {
  throw FieldError(message, {.where = {}, .hint = hint});
}

std::string did_you_mean(std::string_view value, std::span<const std::string_view> known) {
  const std::string near = nearest(value, known);
  return near.empty() ? std::string() : "did you mean " + near + "?";
}

[[noreturn]] void fail_unexpected(const std::string& key, const std::string& field,
                                  std::span<const std::string_view> known) {
  fail_flag("unexpected key '" + key + "' in '" + field + "'", did_you_mean(key, known));
}

bool parse_bool(const std::string& key, const std::string& value) {
  constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "true", "TRUE", "True"};
  constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "false", "FALSE", "False"};
  if (std::find(kTrue.begin(), kTrue.end(), value) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), value) != kFalse.end()) return false;
  fail_flag("invalid value for " + key + ": " + value, "use true or false");
}

std::uint32_t parse_number(const std::string& key, const std::string& value, int base) {
  std::uint32_t number = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number, base);
  if (value.empty() || stop != end || error != std::errc())
    fail_flag("invalid value " + value + " for " + key);
  return number;
}

Mount::Type parse_type(const std::string& value) {
  constexpr std::array<std::string_view, 5> kTypes{"bind", "cache", "tmpfs", "secret", "ssh"};
  const auto found = std::find(kTypes.begin(), kTypes.end(), to_lower(value));
  if (found == kTypes.end())
    fail_flag("unsupported mount type \"" + value + "\"", did_you_mean(value, kTypes));
  return static_cast<Mount::Type>(found - kTypes.begin());
}

Mount::Sharing parse_sharing(const std::string& value) {
  constexpr std::array<std::string_view, 3> kModes{"shared", "private", "locked"};
  const auto found = std::find(kModes.begin(), kModes.end(), to_lower(value));
  if (found == kModes.end())
    fail_flag("unsupported sharing value \"" + value + "\"", did_you_mean(value, kModes));
  return static_cast<Mount::Sharing>(found - kModes.begin() + 1);
}

std::string type_name(Mount::Type type) {
  constexpr std::array<const char*, 5> kNames{"bind", "cache", "tmpfs", "secret", "ssh"};
  return kNames[static_cast<std::size_t>(type)];
}

class MountParser {
 public:
  explicit MountParser(const WordExpander& expander) : expander_(expander) {}

  Mount parse(std::string_view text) {
    for (const std::string& field : csv_fields(text)) {
      const std::size_t equals = field.find('=');
      const std::string key = to_lower(std::string_view(field).substr(0, equals));
      if (equals == std::string::npos) {
        take_word(key, field);
      } else {
        take_pair(key, expander_(std::string_view(field).substr(equals + 1)), field);
      }
    }
    check();
    return std::move(mount_);
  }

 private:
  void read_only(bool value) {
    mount_.read_only = value;
    access_given_ = true;
  }
  void required(bool value, const std::string& key) {
    if (mount_.type != Mount::Type::secret && mount_.type != Mount::Type::ssh) unexpected(key);
    mount_.required = value;
  }
  [[noreturn]] void unexpected(const std::string& key) const {
    fail_flag("unexpected key '" + key + "' for mount type '" + type_name(mount_.type) + "'",
              "write type= before this key if the mount has another type");
  }

  void take_word(const std::string& key, const std::string& field) {
    if (key == "readonly" || key == "ro") {
      read_only(true);
    } else if (key == "readwrite" || key == "rw") {
      read_only(false);
    } else if (key == "required") {
      required(true, key);
    } else {
      fail_flag("invalid field '" + field + "' must be a key=value pair");
    }
  }

  void take_pair(const std::string& key, std::string value, const std::string& field) {
    if (key == "type") {
      mount_.type = parse_type(value);
    } else if (key == "from") {
      mount_.from = std::move(value);
    } else if (key == "source" || key == "src") {
      mount_.source = std::move(value);
    } else if (key == "target" || key == "dst" || key == "destination") {
      mount_.target = std::move(value);
    } else if (key == "readonly" || key == "ro") {
      read_only(parse_bool(key, value));
    } else if (key == "readwrite" || key == "rw") {
      read_only(!parse_bool(key, value));
    } else if (key == "required") {
      required(parse_bool(key, value), key);
    } else if (key == "size") {
      if (mount_.type != Mount::Type::tmpfs) unexpected(key);
      mount_.size = size_in_bytes(key, value);
    } else if (key == "id") {
      mount_.id = std::move(value);
    } else if (key == "sharing") {
      mount_.sharing = parse_sharing(value);
    } else if (key == "mode") {
      mount_.mode = parse_number(key, value, 8);
    } else if (key == "uid") {
      mount_.uid = parse_number(key, value, 10);
    } else if (key == "gid") {
      mount_.gid = parse_number(key, value, 10);
    } else if (key == "env") {
      mount_.env = std::move(value);
    } else {
      constexpr std::array<std::string_view, 20> kKeys{
          "type", "from", "source", "target", "readonly",    "id", "sharing", "size", "required", "mode",
          "uid",  "gid",  "src",    "dst",    "destination", "ro", "rw",      "env",  "readwrite"};
      fail_unexpected(key, field, std::span(kKeys).first(19));
    }
  }

  void check() {
    const bool has_owner = mount_.type == Mount::Type::secret || mount_.type == Mount::Type::ssh ||
                           mount_.type == Mount::Type::cache;
    const std::string of_type = " not allowed for \"" + type_name(mount_.type) + "\" type mounts";
    if (!has_owner && mount_.mode) fail_flag("mode" + of_type);
    if (!has_owner && mount_.uid) fail_flag("uid" + of_type);
    if (!has_owner && mount_.gid) fail_flag("gid" + of_type);
    if (!access_given_)
      mount_.read_only = mount_.type != Mount::Type::cache && mount_.type != Mount::Type::tmpfs;
    if (mount_.type == Mount::Type::secret) {
      if (!mount_.from.empty()) fail_flag("secret mount should not have a from");
      if (mount_.sharing != Mount::Sharing::unset) fail_flag("secret mount should not define sharing");
      if (mount_.source.empty() && mount_.target.empty() && mount_.id.empty()) {
        fail_flag("invalid secret mount: it has neither source nor target", "add id=<name of the secret>");
      }
      if (!mount_.source.empty() && !mount_.id.empty()) fail_flag("both source and id can't be set");
    }
    if (mount_.type == Mount::Type::ssh && !mount_.source.empty())
      fail_flag("ssh does not support source", "name the agent with id=");
    if (mount_.sharing != Mount::Sharing::unset && mount_.type != Mount::Type::cache) {
      fail_flag("invalid cache sharing set for " + type_name(mount_.type) + " mount");
    }
  }

  const WordExpander& expander_;
  Mount mount_;
  bool access_given_ = false;
};

}  // namespace

std::int64_t size_in_bytes(const std::string& key, const std::string& value) {
  const auto bad = [&]() {
    fail_flag("invalid value for " + key + ": " + value, "write a size such as 64m or 1g");
  };
  char* stop = nullptr;
  if (value.empty() || value.find_first_not_of("0123456789.") == 0) bad();
  const double number = std::strtod(value.c_str(), &stop);
  std::string unit = to_lower(trim_space(stop));
  const std::size_t digits = static_cast<std::size_t>(stop - value.c_str());
  if (value.find_first_not_of("0123456789.") < digits) bad();  // no exponents, no hexadecimal
  if (!unit.empty() && unit.back() == 'b') unit.pop_back();
  if (!unit.empty() && unit.back() == 'i') unit.pop_back();
  constexpr std::string_view kUnits = "kmgtp";
  double factor = 1;
  if (!unit.empty()) {
    const std::size_t power = kUnits.find(unit);
    if (unit.size() != 1 || power == std::string_view::npos) bad();
    factor = static_cast<double>(std::uint64_t{1} << (10 * (power + 1)));
  }
  const double bytes = number * factor;
  if (!(bytes >= 0 && bytes < 9.2e18)) bad();
  return static_cast<std::int64_t>(bytes);
}

std::vector<std::string> csv_fields(std::string_view line) {
  std::vector<std::string> fields;
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
    line.remove_suffix(1);
  for (;;) {
    std::string field;
    if (line.empty() || line.front() != '"') {
      const std::size_t end = line.find(',');
      field = std::string(line.substr(0, end));
      if (field.find('"') != std::string::npos)
        fail_flag("unexpected quotation mark in the unquoted field " + field, "quote the whole field");
      line.remove_prefix(std::min(end, line.size()));
    } else {
      line.remove_prefix(1);
      for (;;) {
        const std::size_t quote = line.find('"');
        if (quote == std::string_view::npos)
          fail_flag("the quotation mark before " + std::string(line) + " is not closed");
        field += line.substr(0, quote);
        line.remove_prefix(quote + 1);
        if (line.empty() || line.front() != '"') break;
        field += '"';
        line.remove_prefix(1);
      }
      if (!line.empty() && line.front() != ',') fail_flag("text after the quoted field " + field);
    }
    fields.push_back(std::move(field));
    if (line.empty()) return fields;
    line.remove_prefix(1);
  }
}

Mount parse_mount(std::string_view text, const WordExpander& expander) {
  return MountParser(expander).parse(text);
}

Mount parse_mount_unexpanded(std::string_view text) {
  Mount mount;
  for (const std::string& field : csv_fields(text)) {
    const std::size_t equals = field.find('=');
    if (equals == std::string::npos || to_lower(std::string_view(field).substr(0, equals)) != "from")
      continue;
    mount.from = field.substr(equals + 1);
    const std::size_t dollar = mount.from.find('$');
    if (dollar != std::string::npos && dollar + 1 != mount.from.size()) {
      fail_flag("'from' doesn't support variable expansion",
                "define a stage with FROM " + mount.from + " AS <name> and use its name");
    }
  }
  return mount;
}

Device parse_device(std::string_view text) {
  Device device;
  for (const std::string& field : csv_fields(text)) {
    const std::size_t equals = field.find('=');
    const std::string key = to_lower(std::string_view(field).substr(0, equals));
    const std::string value = equals == std::string::npos ? std::string() : field.substr(equals + 1);
    if (equals == std::string::npos && key == "required") {
      device.required = true;
    } else if (equals == std::string::npos) {
      if (!device.name.empty()) fail_flag("invalid field '" + field + "' must be a key=value pair");
      device.name = field;
    } else if (key == "name") {
      if (!device.name.empty()) fail_flag("device name already set to " + device.name);
      device.name = value;
    } else if (key == "required") {
      device.required = parse_bool(key, value);
    } else if (device.name.empty()) {
      device.name = field;  // a fully qualified device name holds an equals sign: vendor/class=name
    } else {
      constexpr std::array<std::string_view, 2> kKeys{"name", "required"};
      fail_unexpected(key, field, kKeys);
    }
  }
  return device;
}

}  // namespace bottle::dockerfile
