// SPDX-License-Identifier: Apache-2.0
// TOML files of other programs, as JSON: tables are objects whose members stand in the order of the file,
// which hosts.toml gives a meaning to. Source: TOML 1.0.
#pragma once

#include <string>
#include <string_view>

#include "util/json.hpp"

namespace bottle::registry {

// `name` is the file's, for messages. Dates and times become strings. Throws an Error with line and column.
OrderedJson parse_toml(std::string_view text, const std::string& name);

}  // namespace bottle::registry
