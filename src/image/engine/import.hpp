// SPDX-License-Identifier: Apache-2.0
// An image that an outside engine made, on its way into the store and a plan.
#pragma once

#include "image/model/plan.hpp"
#include "image/resolve/resolve.hpp"
#include "store/store.hpp"

namespace bottle::image::engine {

// `file` is a `docker save` archive, a tar of an OCI layout, or a layout directory, with one image. Its
// layers are verified, indexed and stored; the configuration is kept to the byte, so the image keeps its ID.
LoadedPlan import_engine_image(const fs::path& file, const resolve::Resolved& resolved,
                               const store::Store& store);

}  // namespace bottle::image::engine
