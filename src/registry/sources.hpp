// SPDX-License-Identifier: Apache-2.0
// Where what is pushed can come from: an image layout, or another registry.
#pragma once

#include "registry/push.hpp"
#include "store/store.hpp"

namespace bottle::registry {

// An OCI image layout, a directory or a tar of one, with all that its index names, or the part of it called
// `name` ("org.opencontainers.image.ref.name", or a digest; "" where there is only one). Manifests are
// verified; blobs are checked against their sizes here, and by the registry that they go to.
PushSource layout_source(const fs::path& layout, const std::string& name);

// What a registry has under the reference. Its blobs come through the store, when they are needed. With a
// platform only that image of an index.
PushSource registry_source(const Client& client, const oci::Reference& reference, const store::Store& store,
                           const std::optional<oci::Platform>& platform);

}  // namespace bottle::registry
