// SPDX-License-Identifier: Apache-2.0
// The case of ASCII letters, whatever the locale: names of hosts, schemes, headers and JSON members.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace bottle {

constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

inline std::string ascii_lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    c = ascii_lower(c);
  return result;
}

constexpr bool equal_caseless(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

}  // namespace bottle
