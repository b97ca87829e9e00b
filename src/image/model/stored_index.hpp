// SPDX-License-Identifier: Apache-2.0
// What earlier builds left in the store, compared with its digest before it is used; and layer indexes on the
// way there. An index is made into text once: digest and size are those of that text.
#pragma once

#include <optional>
#include <string>

#include "oci/layer_index.hpp"
#include "store/store.hpp"

namespace bottle::image {
inline namespace model {

// The content of a blob. nullopt if it is missing or was damaged; then it has been dropped and reported, and
// the caller rebuilds it.
std::optional<std::string> read_stored(const Digest& digest, const store::Store& store);

struct StoredIndex {
  oci::LayerIndex index;
  Digest digest;       // of the layer
  store::Output blob;  // the index as text
};

std::optional<StoredIndex> read_stored_index(const Digest& digest, const store::Store& store);
StoredIndex store_index(oci::LayerIndex index, const store::Store& store);

}  // namespace model
}  // namespace bottle::image
