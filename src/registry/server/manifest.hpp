// SPDX-License-Identifier: Apache-2.0
// What a registry must know of a manifest: its kind, its subject, and its entry in a list of referrers. Read
// without building the document, so that no manifest costs more memory than these few fields.
// Source: OCI image-spec 1.1 manifest.md, image-index.md; Docker "Image Manifest Version 2, Schema 2".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/content_digest.hpp"

namespace bottle::registry {

// The limit for a manifest in bytes: what registries in general accept, and the least that the specification
// expects of one.
inline constexpr std::uint64_t kManifestLimit = 4u << 20;

struct ManifestFacts {
  std::string media_type;  // as the document says, else found out from its shape
  bool says_media_type = false;
  std::string artifact_type;  // of a referrer: its own, else for an image the media type of its config
  std::optional<oci::ContentDigest> subject;
  std::map<std::string, std::string> annotations;
  std::vector<oci::ContentDigest> manifests;  // of an index
};

// nullopt when it is not the JSON object of a manifest or an index; `problem` then says why.
std::optional<ManifestFacts> read_manifest(std::string_view text, std::string& problem);

}  // namespace bottle::registry
