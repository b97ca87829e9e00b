// SPDX-License-Identifier: Apache-2.0
// The first byte chooses the mode, the rest is the word. Words that have no special characters stay as they
// are.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dockerfile/words.hpp"

using namespace bottle::dockerfile;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned mode = data[0];
  const std::string_view word(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Environment environment(
      {{"a", "value"}, {"b", ""}, {"c", "x y  z"}, {"d", "a/b\\c*d?e"}, {"e", "$0${1}$$"}});
  const ExpandOptions options{.escape = (mode & 1u) != 0 ? '`' : '\\',
                              .raw_quotes = (mode & 2u) != 0,
                              .raw_escapes = (mode & 4u) != 0,
                              .plain_quotes = (mode & 8u) != 0,
                              .skip_unset = (mode & 16u) != 0};
  try {
    const Expansion expansion = expand(word, environment, options);
    bool plain = true;
    for (const char character : word) {
      plain = plain && ((character >= 'a' && character <= 'z') || character == '/' || character == '=');
    }
    if (plain && expansion.text != word) __builtin_trap();
  } catch (const WordError& error) {
    if (error.message().empty()) __builtin_trap();
  }
  return 0;
}
