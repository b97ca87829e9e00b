// SPDX-License-Identifier: Apache-2.0
// What RUN keeps in the store besides blobs and actions, and how it goes away again:
//   snapshots/<owner>/<32 hex>   trees of images (run/snapshot.hpp)
//   cache/<owner>/<32 hex>       what --mount=type=cache showed (run/mounts.hpp)
//   run/<name>                   the directory of a running RUN (run.hpp)
// <owner> is "root", or "<uid>-subordinate", "<uid>-single": who made it and with which ids. Files with
// subordinate ids can only be looked at and removed where those ids are mapped, so that is where it is done.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "run/confinement.hpp"
#include "util/file.hpp"

namespace bottle::run {

struct CachedTree {
  enum class Kind { snapshot, cache, leftover } kind = Kind::snapshot;
  std::string name;         // the path in the store
  std::uint64_t bytes = 0;  // on the disk
  std::time_t used = 0;     // for a snapshot not before those on top of it
  bool is_locked = false;   // a RUN is using it
  std::string problem;      // why it is of no use; empty if it is
};
// All that this user may look at, the least recently used first, snapshots after those on top of them. Of
// run/ only unlocked directories.
std::vector<CachedTree> cached_trees(const fs::path& store);
// Removes the unlocked directories in run/.
void remove_leftover_runs(const fs::path& store);
// Removes those of the trees, unless a RUN is using them now.
void remove_cached_trees(const fs::path& store, const std::vector<std::string>& names);

}  // namespace bottle::run
