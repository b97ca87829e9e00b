// SPDX-License-Identifier: Apache-2.0
// An image plan as an OCI image layout: the moment when layer tars, diff IDs and the image digest are made.
// Source: OCI image-spec 1.1 image-layout.md, config.md "rootfs".
#pragma once

#include <string>

#include "image/model/plan.hpp"
#include "store/store.hpp"

namespace bottle::image {
inline namespace model {

struct ExportReport {
  Digest image_digest;             // of the manifest
  Digest image_id;                 // of the configuration
  std::size_t layers_written = 0;  // as tars
  std::size_t layers_copied = 0;   // as they came from outside
};

// Replaces the layout at `target` as a whole or leaves it alone. `ref_name` is the image's name in
// index.json.
ExportReport export_layout(const LoadedPlan& image, const store::Store& store, const fs::path& target,
                           const std::string& ref_name);

}  // namespace model
}  // namespace bottle::image
