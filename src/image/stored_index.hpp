// What earlier builds left in the store, compared with its digest before it is used.
#pragma once

#include <optional>
#include <string>

#include "oci/layer_index.hpp"
#include "store/store.hpp"

namespace bottle::image {

// The content of a blob. nullopt if it is not there (any more) or was damaged; then it has been dropped and
// reported, and whoever asked makes it again.
std::optional<std::string> read_stored(const Digest& digest, const store::Store& store);
// The same of a layer index.
std::optional<oci::LayerIndex> read_stored_index(const Digest& digest, const store::Store& store);

}  // namespace bottle::image
