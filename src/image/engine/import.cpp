// SPDX-License-Identifier: Apache-2.0
#include "image/engine/import.hpp"

#include "image/model/outside_image.hpp"
#include "util/json.hpp"

namespace bottle::image::engine {

LoadedPlan import_engine_image(const fs::path& file, const resolve::Resolved& resolved,
                               const store::Store& store) {
  ContextSpec context;
  context.name = "image of the engine";
  context.kind = fs::is_directory(file) ? ContextKind::oci_layout : ContextKind::docker_archive;
  context.value = file;
  const auto outside = open_outside(context, resolved.target().config.platform());
  LoadedPlan image = outside->load(store);
  image.plan.engine_config = outside->config();
  Json config = parse_json(image.plan.engine_config, outside->name());
  config.erase("rootfs");  // as in every plan: it follows from the layers
  image.plan.config = config.dump();
  return image;
}

}  // namespace bottle::image::engine
