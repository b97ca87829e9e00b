// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/signals.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

constexpr std::array<std::string_view, 36> kNames{
    "ABRT", "ALRM", "BUS",  "CHLD", "CLD",  "CONT", "FPE",    "HUP",    "ILL",  "INT",  "IO",    "IOT",
    "KILL", "PIPE", "POLL", "PROF", "PWR",  "QUIT", "SEGV",   "STKFLT", "STOP", "SYS",  "TERM",  "TRAP",
    "TSTP", "TTIN", "TTOU", "URG",  "USR1", "USR2", "VTALRM", "WINCH",  "XCPU", "XFSZ", "RTMIN", "RTMAX"};

std::optional<int> number_in(std::string_view text) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || stop != end || error != std::errc()) return std::nullopt;
  return value;
}

bool in_range(std::string_view name, std::string_view prefix, int last) {
  if (name.substr(0, prefix.size()) != prefix) return false;
  const auto distance = number_in(name.substr(prefix.size()));
  return distance && *distance >= 1 && *distance <= last && name.size() <= prefix.size() + 2;
}

}  // namespace

bool is_signal(std::string_view text) {
  std::string_view digits = text;
  if (digits.size() > 1 && digits.front() == '+') digits.remove_prefix(1);
  if (const auto number = number_in(digits)) return *number != 0;
  const std::string upper = to_upper(text);
  std::string_view name = upper;
  if (name.substr(0, 3) == "SIG") name.remove_prefix(3);
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() || in_range(name, "RTMIN+", 15) ||
         in_range(name, "RTMAX-", 14);
}

}  // namespace bottle::dockerfile
