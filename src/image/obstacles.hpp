// SPDX-License-Identifier: Apache-2.0
// Obstacles in a bottle's build directory: a directory or a link without a target where a step reads or
// writes a file, and a file where it has a directory.
#pragma once

#include "util/file.hpp"

namespace bottle::image {

// Removes what holds no data, empty directories and links without a target, in the places of the files that
// the steps make. Then those count as missing, and are made again. Throws Error, with the command that
// removes the obstacle, for everything else. Entries with other names are left alone.
void clear_obstacles(const fs::path& directory);

}  // namespace bottle::image
