// SPDX-License-Identifier: Apache-2.0
// What a manifest is, by what the registry and the document itself say. For the files of this room only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/descriptor.hpp"

namespace bottle::registry {

// The document's media type: its own, else the Content-Type, else by its members. An Error when these
// contradict each other (CVE-2021-41190), for Docker's schema 1, and for a document that is not a manifest.
// `where` is for messages.
std::string manifest_type(std::string_view bytes, std::string_view content_type, const std::string& where);

// What a manifest or index is about beside its descriptors.
struct ManifestDetails {
  std::optional<oci::Descriptor> subject;
  std::string artifact_type;  // "artifactType", else the config's media type
  std::map<std::string, std::string> annotations;
};
ManifestDetails manifest_details(std::string_view bytes, const std::string& where);

}  // namespace bottle::registry
