// SPDX-License-Identifier: Apache-2.0
// A directory that another program has filled, as entries of a layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "oci/layer_index.hpp"
#include "store/store.hpp"

namespace bottle::image::remote {

inline constexpr std::uint64_t kMaximumTreeBytes = std::uint64_t{64} << 30;
inline constexpr std::size_t kMaximumTreeEntries = 4'000'000;

// What is below `directory`, as a checkout under umask 022 has it: owner 0:0, directories and files 0755 or
// 0644, times 0; the bytes one after the other in one blob of the store, which is the index's only root and
// `content`. `.git` that is not a directory, where a submodule's repository was, is left out. Throws an Error
// about `where` for what is neither file, directory nor link, and beyond the bounds.
oci::LayerIndex collect_tree(const fs::path& directory, const std::string& where, const store::Store& store,
                             store::Output& content);

}  // namespace bottle::image::remote
