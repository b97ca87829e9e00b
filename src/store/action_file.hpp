// SPDX-License-Identifier: Apache-2.0
// The file form of an action result (docs/formats/store.md, "Actions"): one line of JSON whose last member is
// a checksum of all that precedes it, so that a short, zeroed or altered file is never taken for a result.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/action.hpp"

namespace bottle::store {

std::string serialize_action(const Digest& key, const ActionResult& result);

// The result of `key` in `text`, or what is wrong with the file.
struct ParsedAction {
  std::optional<ActionResult> result;
  std::string problem;         // when there is no result
  bool other_version = false;  // whole, but of a schema this version does not know: a miss, not damage
};
ParsedAction parse_action(const Digest& key, std::string_view text);

}  // namespace bottle::store
