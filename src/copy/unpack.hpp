// SPDX-License-Identifier: Apache-2.0
// What unpacking an archive into a directory of a tree does to the tree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "copy/target.hpp"
#include "image/model/users.hpp"
#include "oci/layer_index.hpp"

namespace bottle::copy {

struct UnpackOptions {
  std::optional<image::Owner> owner;  // of all members; absent: each keeps its own
  std::int64_t epoch = 0;             // mtime of directories that no member stands for
  bool keep_times = false;            // members keep their mtime
};

// `directory` is an existing directory; links in members' paths are followed inside it as if it were the
// root.
void unpack(const oci::LayerIndex& archive, CopyTarget& target, const std::string& directory,
            const UnpackOptions& options);

// Of an entry's attributes only those that BuildKit writes into layers: see copy().
void keep_layer_xattrs(oci::Entry& entry);

}  // namespace bottle::copy
