// SPDX-License-Identifier: Apache-2.0
// Images and instructions' layers as the store keeps them: what an action names as its outputs, and back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "image/model/plan.hpp"
#include "image/resolve/resolve.hpp"
#include "store/store.hpp"

namespace bottle::image::builtin {

// The blobs that an index refers to, as outputs of the action that made it: so they are checked and kept with
// it.
void add_blob_outputs(const oci::LayerIndex& index, const store::Store& store,
                      std::map<std::string, store::Output>& outputs);

// The whole image as the store keeps it by its key.
void store_image(const LoadedPlan& image, const Digest& key, const resolve::Resolved& resolved,
                 std::uint64_t milliseconds, const store::Store& store);
// Whether the paths to the bytes in the stored image are still right. Files that it copied from another
// bottle may have moved since: then the instructions are checked again, and only those with such files are
// executed.
bool has_present_places(const store::ActionResult& result, const resolve::Resolved& resolved);
// The reverse; nullopt if a part no longer exists. Roots are those of this build.
std::optional<LoadedPlan> stored_image(const store::ActionResult& result, const resolve::Resolved& resolved,
                                       const store::Store& store);

}  // namespace bottle::image::builtin
