// SPDX-License-Identifier: Apache-2.0
// Layers of outside images in the store: index, uncompressed tar and, where that is something else, the blob
// as it came.
#pragma once

#include <cstdint>
#include <optional>

#include "image/model/plan.hpp"
#include "image/model/stored_index.hpp"
#include "oci/image_source.hpp"
#include "oci/layer_index.hpp"
#include "store/store.hpp"

namespace bottle::image {
inline namespace model {

struct StoredLayer {
  StoredIndex index;
  Digest blob;
  std::uint64_t blob_size = 0;

  PlanLayer plan_layer(const Digest& diff_id, const std::string& media_type) const;
};

// `blob` is the digest of the blob as it came; absent for a layer of an old archive, which does not say it.
Digest layer_action(const std::optional<Digest>& blob, const Digest& diff_id);
std::optional<StoredLayer> find_layer(const std::optional<Digest>& blob, const Digest& diff_id,
                                      const store::Store& store);

// From the store, else read, checked and kept there.
StoredLayer import_layer(const oci::SourceLayer& layer, const store::Store& store);

// The same of a blob that is in the store already.
StoredLayer import_stored_blob(const oci::Descriptor& blob, const Digest& diff_id, const store::Store& store);

}  // namespace model
}  // namespace bottle::image
