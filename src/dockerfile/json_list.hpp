// SPDX-License-Identifier: Apache-2.0
// The JSON form of instructions: a list of strings (Dockerfile reference, "Exec form").
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bottle::dockerfile {

struct JsonList {
  enum class Kind { strings, other_values, not_json } kind = Kind::not_json;
  std::vector<std::string> strings;
};

// Text that is not a JSON list is ordinary text (the shell form); a list that holds anything but strings is
// for the caller to refuse. Bytes that are not UTF-8 and lone surrogates become U+FFFD.
JsonList parse_json_list(std::string_view text);

}  // namespace bottle::dockerfile
