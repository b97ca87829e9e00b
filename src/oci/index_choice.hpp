// SPDX-License-Identifier: Apache-2.0
// Choosing the image for a platform among the entries of an index: the one place where that is done, for
// image layouts, for registries and for the lock.
//
// As containerd does it (core/images, Manifest): entries that name their platform come first, the best
// match_rank() before others, and equals in the order of the index. An entry without a platform is the image
// that its configuration says; an index inside an index is looked into. Attestations, artifacts and entries
// of unknown media types are not images.
// Source: OCI image-spec 1.1 image-index.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oci/descriptor.hpp"

namespace bottle::oci {

// The text of the manifest, index or configuration that a descriptor names, verified; nullopt if it is not at
// hand and the entry must be skipped.
using ReadDocument = std::function<std::optional<std::string>(const Descriptor&)>;

// BuildKit puts attestations beside images, as manifests for the platform unknown/unknown.
bool is_attestation(const Descriptor& descriptor);

// Every image of an index, with the platform of each filled in, preferred entries first. `name` is the place
// in errors: indexes nested deeper than 4 levels and more than 10,000 descriptors are an Error.
std::vector<Descriptor> list_images(const std::vector<Descriptor>& index, const ReadDocument& read,
                                    const std::string& name);

// The image for the platform, or nullopt if there is none. Reads no more than that needs. An Error if its
// digest is of an algorithm that is not supported.
std::optional<Descriptor> choose_image(const std::vector<Descriptor>& index, const Platform& wanted,
                                       const ReadDocument& read, const std::string& name);

// "linux/amd64, linux/arm64": what list_images() has, for messages.
std::string platform_names(const std::vector<Descriptor>& images);

}  // namespace bottle::oci
