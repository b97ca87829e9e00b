// SPDX-License-Identifier: Apache-2.0
// The result of an action, as the store remembers it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "util/digest.hpp"

namespace bottle::store {

struct Output {
  Digest digest;
  std::uint64_t size = 0;
};

// What an action made. Stored as JSON under actions/<2>/<62 hex of the key>.
struct ActionResult {
  std::string kind;                          // "instruction", "image", "pack", "frame", ...
  std::string label;                         // for people: slug, "Dockerfile:9 COPY a b"
  std::map<std::string, Output> outputs;     // name -> blob
  std::map<std::string, std::string> facts;  // small values: CRC-32 of a frame, plan digest of an image
  std::string tool_version;
  std::uint64_t milliseconds = 0;
};

}  // namespace bottle::store
