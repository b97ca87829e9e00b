// SPDX-License-Identifier: Apache-2.0
// What a pack cannot hold, or holds in a way that behaves differently from the image at run time.
#pragma once

#include <string>
#include <vector>

namespace bottle::pack {

struct Findings {
  std::vector<std::string> warnings;  // printed: the user should check
  std::vector<std::string> notes;     // harmless: kept in pack.json
};

}  // namespace bottle::pack
