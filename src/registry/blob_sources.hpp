// SPDX-License-Identifier: Apache-2.0
// In which repositories of a registry a blob is known to be, so that a push to another repository of that
// registry mounts it and sends nothing. Kept in the store beside the blob: noted when a base's layer comes
// from a repository and when a push leaves it in one. A note that is lost or stale costs an upload, nothing
// else.
#pragma once

#include <string>
#include <vector>

#include "oci/reference.hpp"
#include "store/store.hpp"
#include "util/digest.hpp"

namespace bottle::registry {

// Notes that the reference's repository has the blob.
void note_blob_source(const store::Store& store, const Digest& blob, const oci::Reference& repository);

// The repositories of the registry that were noted, the last noted first; at most 8.
std::vector<std::string> blob_sources(const store::Store& store, const Digest& blob,
                                      const std::string& registry);

// The note's key: of what keeps a layer, so that collection keeps both.
Digest blob_source_action(const Digest& blob);

}  // namespace bottle::registry
