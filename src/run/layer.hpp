// SPDX-License-Identifier: Apache-2.0
// The layer that a RUN instruction leaves: what changed, with its bytes as a tar in the store.
#pragma once

#include <string>
#include <vector>

#include "run/confinement.hpp"
#include "run/context.hpp"
#include "run/tree_stamps.hpp"
#include "util/file.hpp"

namespace bottle::run {

// Where to look for what changed.
struct Changes {
  fs::path directory;  // an overlay's upper directory, or a copy of the whole tree
  bool is_overlay = false;
  std::vector<std::string> stubs;  // what the runtime made to mount on; goes if it is still empty
  // Of a copy, from before the command: what is as it was is not read. May be null.
  const TreeStamps* stamps = nullptr;
};

class LayerMaker {
 public:
  LayerMaker(const RunContext& context, IdMapping id_mapping) : context_(context), id_mapping_(id_mapping) {}

  // Times later than the epoch become the epoch, except where nothing changed them.
  oci::LayerIndex make(const Changes& changes) const;

 private:
  void remove_stubs(const Changes& changes) const;
  oci::MergedTree tree_after(const oci::LayerIndex& found, bool is_overlay) const;
  std::int64_t time_of(const oci::Entry& entry) const;
  oci::LayerIndex with_blob(oci::LayerIndex layer, const Changes& changes) const;

  const RunContext& context_;
  IdMapping id_mapping_;
};

}  // namespace bottle::run
