// SPDX-License-Identifier: Apache-2.0
// Images that come from outside as files: OCI image layouts (a directory, or the same in a tar) and `docker
// save` archives of the old form. All that is handed out has been checked against its descriptor. Source: OCI
// image-spec 1.1 image-layout.md; Docker image specification 1.2 "Combined Image JSON + Filesystem Changeset
// Format".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oci/descriptor.hpp"
#include "oci/layer_import.hpp"
#include "oci/source_image.hpp"
#include "oci/stream.hpp"
#include "util/file.hpp"

namespace bottle::oci {

// An OCI image layout directory. An Error names the file, what was expected and what was found; when nothing
// or more than one image matches, what there is.
ImageSource open_layout(const fs::path& directory, const ImageSelection& selection = {});
// A tar of an OCI image layout (skopeo's oci-archive, `docker save` since 25) or an old `docker save`
// archive.
ImageSource open_archive(const fs::path& file, const ImageSelection& selection = {});

}  // namespace bottle::oci
