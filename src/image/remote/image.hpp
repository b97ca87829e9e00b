// SPDX-License-Identifier: Apache-2.0
// Images of registries: found by the digest that the lock (or the reference itself) gives, and kept in the
// store, so that a second build needs no network. Manifest and configuration come first; layers when their
// bytes or their entries are needed.
// Source: OCI image-spec 1.1 manifest.md, image-index.md; OCI distribution-spec 1.1 "Pulling manifests".
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "image/model/lock.hpp"
#include "image/model/outside_image.hpp"
#include "image/remote/access.hpp"
#include "oci/index_choice.hpp"
#include "oci/reference.hpp"
#include "store/store.hpp"

namespace bottle::image::remote {

struct StoredDocument {
  std::string text;
  std::string media_type;
};

// A manifest or index by the reference's digest: from the store, else the registry. `size` is what the lock
// says, if it does. Throws naming the reference.
StoredDocument fetch_document(const oci::Reference& reference, const store::Store& store,
                              const RemoteAccess& access);
// The key by which the store keeps one.
Digest document_action(const Digest& digest);
// Keeps one, so that fetch_document() finds it.
void keep_document(const Digest& digest, const StoredDocument& document, const store::Store& store);
// The same of a configuration.
void keep_config(const Digest& digest, const std::string& text, const std::string& label,
                 const store::Store& store);

// The configuration of a manifest, or of what an index has for the platform; nullopt if the store has not all
// of that. Sends no request.
std::optional<std::string> stored_config(const Digest& digest, const oci::Platform& platform,
                                         const store::Store& store);

// Which images an index has, with those of the indexes in it: the first manifest for each platform. An image
// whose entry names no platform is for the one that its configuration says.
std::map<std::string, LockedManifest> platforms_of(const StoredDocument& index, const std::string& name,
                                                   const oci::ReadDocument& read);

// What a tag (or a digest) stands for at the registry now. The documents are kept in the store.
LockedImage resolve_image(const oci::Reference& reference, const store::Store& store,
                          const RemoteAccess& access);

// What a reference by digest stands for, without a lock. nullopt if it has nothing for the platform.
LockedImage pinned_image(const oci::Reference& reference, const store::Store& store,
                         const RemoteAccess& access);

// `reference` says the registry and the repository, `manifest` which image. Manifest and configuration are
// read, and fetched if they are not in the store.
std::unique_ptr<OutsideImage> open_registry_image(const oci::Reference& reference,
                                                  const LockedManifest& manifest, const store::Store& store,
                                                  std::shared_ptr<const RemoteAccess> access);

}  // namespace bottle::image::remote
