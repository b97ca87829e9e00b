// SPDX-License-Identifier: Apache-2.0
// Build directories that refer to actions of the store: files below roots/ (docs/formats/store.md, "Roots").
#pragma once

#include <vector>

#include "store/layout.hpp"

namespace bottle::store {

struct Root {
  fs::path file;       // below roots/
  fs::path directory;  // the bottle's build directory
  std::string step;
  std::vector<Digest> keys;
  bool stale = false;  // the directory is gone, or the file cannot be understood
};

std::vector<Root> read_roots(const Layout& layout);

}  // namespace bottle::store
