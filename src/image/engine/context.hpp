// SPDX-License-Identifier: Apache-2.0
// The context that an outside engine builds from, as a directory that stays: a build after an edit writes the
// files that have changed, and a builder that compares sizes and times is sent those.
#pragma once

#include <string>

#include "oci/content.hpp"
#include "oci/layer_index.hpp"
#include "util/file.hpp"

namespace bottle::image::engine {

enum class ContextTimes {
  whole,       // each entry's own
  by_content,  // its seconds, and nanoseconds that follow from the content: BuildKit knows what it has
               // already from size and time, and writes whole seconds into images
};

// Makes a directory in `directory` hold just the entries of `index`, with contents that are what their
// digests say, and returns its path: `directory`/tree, or for a builder that goes by times one with a name of
// ContextHistory. What an earlier call left there is kept where file system and `directory`/record agree that
// it is unchanged. Directories stay writable for their owner. `seconds` is the time of the tree itself. The
// caller holds the build directory's lock.
fs::path stage_context(const oci::LayerIndex& index, const oci::ContentReader& reader,
                       const fs::path& directory, std::int64_t seconds, ContextTimes times);

}  // namespace bottle::image::engine
