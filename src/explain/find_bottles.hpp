// SPDX-License-Identifier: Apache-2.0
// The bottles of a CMake build tree.
#pragma once

#include <string>
#include <vector>

#include "util/file.hpp"

namespace bottle::explain {

struct FoundBottle {
  std::string slug;
  fs::path directory;  // <binary dir>/bottles/<slug>, which holds spec.json
};

// Every directory bottles/<slug> with a spec.json below `build` (also in nested binary directories), and
// `build` itself if it is one, sorted by slug. Does not follow symbolic links, nor search deeper than 10
// levels or in directories where CMake and version control keep their own.
std::vector<FoundBottle> find_bottles(const fs::path& build);

// The directory of the bottle of this name. Throws UsageError naming the nearest slug and those that exist.
FoundBottle find_bottle(const fs::path& build, const std::string& slug);

}  // namespace bottle::explain
