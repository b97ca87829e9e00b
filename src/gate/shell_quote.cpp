// SPDX-License-Identifier: Apache-2.0
#include "gate/shell_quote.hpp"

#include "util/error.hpp"

namespace bottle::gate {

std::string shell_quote(std::string_view text) {
  std::string word = "'";
  for (const char c : text) {
    if (c == '\0') throw Error("a shell word cannot contain a NUL character");
    if (c == '\'')
      word += "'\\''";
    else
      word += c;
  }
  return word + "'";
}

}  // namespace bottle::gate
