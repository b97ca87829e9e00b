// SPDX-License-Identifier: Apache-2.0
// What instructions ask of a merged tree, and change in it, without copying files.
#pragma once

#include <cstdint>
#include <string>

#include "image/model/users.hpp"
#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"

namespace bottle::image::builtin {

// The layer of WORKDIR: `directory` and what is missing above it, for `owner`, with the time `epoch`
// (seconds). Without entries where nothing is missing: that is an empty layer, not a missing one, since the
// history counts it (BuildKit does the same). Throws an Error when the path is another kind of file.
oci::LayerIndex make_workdir(const oci::MergedTree& tree, const std::string& directory, const Owner& owner,
                             std::int64_t epoch);

}  // namespace bottle::image::builtin
