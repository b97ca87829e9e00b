// SPDX-License-Identifier: Apache-2.0
#include "image/model/setting.hpp"

#include <algorithm>
#include <charconv>

#include "util/text.hpp"

namespace bottle::image {
inline namespace model {
namespace {

std::optional<bool> constant(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  for (const char* name : {"1", "ON", "YES", "TRUE", "Y"})
    if (upper == name) return true;
  for (const char* name : {"0", "OFF", "NO", "FALSE", "N"})
    if (upper == name) return false;
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> parse_epoch(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (seconds < kSmallestEpoch || seconds > kLargestEpoch) return std::nullopt;
  return seconds;
}

std::string epoch_form() {
  return "seconds since 1970 (" + std::to_string(kSmallestEpoch) + " to " + std::to_string(kLargestEpoch) +
         ")";
}

std::uint64_t number_setting(const JsonView& view, std::pair<std::uint64_t, std::uint64_t> range) {
  std::optional<std::uint64_t> number;
  if (view.value().is_number_unsigned()) number = view.value().get<std::uint64_t>();
  if (view.value().is_string()) number = parse_unsigned(view.string());
  if (!number || *number < range.first || *number > range.second)
    view.fail("a number from " + std::to_string(range.first) + " to " + std::to_string(range.second));
  return *number;
}

bool boolean_setting(const JsonView& view) {
  if (!view.value().is_string()) return view.boolean();
  const std::optional<bool> value = constant(view.string());
  if (!value) view.fail("true or false");
  return *value;
}

bool network_setting(const JsonView& view) {
  constexpr std::string_view kWords = "NETWORK;";
  if (!view.value().is_string() || !view.string().starts_with(kWords)) return boolean_setting(view);
  const std::string text = view.string().substr(kWords.size());
  std::string run;
  bool machine = false;
  for (const std::string_view word : split(text, ';')) {
    const std::optional<bool> value = constant(word);
    if (word == "machine" || value) {
      machine = word == "machine" || *value;
    } else if ((word == "none" || word == "host") && (run.empty() || run == word)) {
      run = word;
    } else if (!word.empty()) {
      view.fail("NETWORK [machine] [none|host]");
    }
  }
  return machine;
}

}  // namespace model
}  // namespace bottle::image
