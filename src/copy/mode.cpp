// SPDX-License-Identifier: Apache-2.0
#include "copy/mode.hpp"

#include <fmt/format.h>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::copy {
namespace {

constexpr std::uint16_t kSetIds = 06000;
constexpr std::uint16_t kSticky = 01000;
constexpr std::uint16_t kOther = 0007;
constexpr std::uint16_t kAll = 06777;

std::uint16_t bits(int value) {
  return static_cast<std::uint16_t>(value);
}

[[noreturn]] void invalid(std::string_view text) {
  throw Error(fmt::format("--chmod={}: expected an octal number from 0 to 07777 or a symbolic mode", text),
              {.hint = "write --chmod=0755 or --chmod=u=rwX,go=rX"});
}

int class_shift(char name) {
  return name == 'u' ? 6 : name == 'g' ? 3 : 0;
}

}  // namespace

ModeChange ModeChange::parse(std::string_view text) {
  ModeChange change;
  if (text.empty()) invalid(text);
  if (text.front() >= '0' && text.front() <= '9') {
    const auto number = parse_unsigned(text, 8);
    if (!number || *number > 07777) invalid(text);
    change.octal_ = static_cast<std::uint16_t>(*number);
    return change;
  }
  std::string_view rest = text;
  change.parse_clause(rest, text);
  while (!rest.empty()) {
    if (rest.front() != ',') invalid(text);
    rest.remove_prefix(1);
    change.parse_clause(rest, text);
  }
  return change;
}

// who* (op perm*)+
void ModeChange::parse_clause(std::string_view& rest, std::string_view text) {
  std::uint16_t who = 0;
  for (; !rest.empty(); rest.remove_prefix(1)) {
    if (rest.front() == 'a') {
      who = bits(who | kAll);
    } else if (rest.front() == 'u') {
      who = bits(who | 04700);
    } else if (rest.front() == 'g') {
      who = bits(who | 02070);
    } else if (rest.front() == 'o') {
      who = bits(who | kOther);
    } else {
      break;
    }
  }
  if (rest.empty() || rest.front() == ',') invalid(text);
  const bool more_than_other = who == 0 || (who & ~kOther) != 0;
  while (!rest.empty() && rest.front() != ',') {
    const char operation = rest.front();
    if (operation != '+' && operation != '-' && operation != '=') invalid(text);
    rest.remove_prefix(1);
    who = bits(who & ~kSticky);
    std::uint16_t permissions = 0;
    bool executable_if_any = false;
    bool is_done = operation != '=';  // "=" without permissions clears
    const auto flush = [&] {
      if (permissions != 0 || !is_done) add_permissions(operation, who, permissions);
      if (executable_if_any)
        steps_.push_back({Step::Kind::add_if_executable, bits((who != 0 ? who : kAll) & 0111)});
      is_done = true;
      permissions = 0;
      executable_if_any = false;
    };
    for (bool go_on = true; go_on && !rest.empty();) {
      const char permission = rest.front();
      switch (permission) {
        case 'r':
          permissions = bits(permissions | 0444);
          break;
        case 'w':
          permissions = bits(permissions | 0222);
          break;
        case 'x':
          permissions = bits(permissions | 0111);
          break;
        case 'X':
          if (operation == '-') {
            permissions = bits(permissions | 0111);
          } else {
            executable_if_any = true;
          }
          break;
        case 's':
          if (more_than_other) permissions = bits(permissions | kSetIds);
          break;
        case 't':
          if (more_than_other) {
            who = bits(who | kSticky);
            permissions = bits(permissions | kSticky);
          }
          break;
        case 'u':
        case 'g':
        case 'o':
          is_done = true;
          flush();
          steps_.push_back({Step::Kind::copy, who != 0 ? who : kAll, permission, operation});
          break;
        default:
          go_on = false;
          break;
      }
      if (go_on) rest.remove_prefix(1);
    }
    flush();
  }
}

void ModeChange::add_permissions(char operation, std::uint16_t who, std::uint16_t permissions) {
  const std::uint16_t affected = who != 0 ? who : kAll;
  if (operation == '=') steps_.push_back({Step::Kind::clear, affected});
  steps_.push_back({operation == '-' ? Step::Kind::clear : Step::Kind::add, bits(affected & permissions)});
}

std::uint16_t ModeChange::apply(std::uint16_t mode, bool is_directory) const {
  if (octal_) return *octal_;
  std::uint16_t result = mode;
  for (const Step& step : steps_) {
    switch (step.kind) {
      case Step::Kind::add:
        result = bits(result | step.bits);
        break;
      case Step::Kind::clear:
        result = bits(result & ~step.bits);
        break;
      case Step::Kind::add_if_executable:
        if (is_directory || (mode & 0111) != 0) result = bits(result | step.bits);
        break;
      case Step::Kind::copy: {
        const int value = (result >> class_shift(step.from)) & kOther;
        for (const char name : {'u', 'g', 'o'}) {
          const int shift = class_shift(name);
          if ((step.bits & (0004 << shift)) == 0) continue;
          if (step.operation == '=') result = bits(result & ~(kOther << shift));
          if (step.operation == '-') {
            result = bits(result & ~(value << shift));
          } else {
            result = bits(result | (value << shift));
          }
        }
        break;
      }
    }
  }
  return result;
}

std::uint16_t ModeChange::mode_of_made_directories() const {
  return octal_ ? bits(*octal_ & 0777) : 0755;
}

bool ModeChange::replaces_mode() const {
  if (octal_) return true;
  for (const bool is_directory : {false, true}) {
    const std::uint16_t expected = apply(0, is_directory);
    for (unsigned mode = 1; mode <= 07777; ++mode)
      if (apply(static_cast<std::uint16_t>(mode), is_directory) != expected) return false;
  }
  return true;
}

}  // namespace bottle::copy
