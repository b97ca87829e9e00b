// SPDX-License-Identifier: Apache-2.0
#include "image/engine/load.hpp"

#include "image/engine/drivers.hpp"
#include "image/model/export.hpp"
#include "util/staged_directory.hpp"
#include "util/trace.hpp"

namespace bottle::image::engine {

container::LoadReport load_step(const BuildSpec& spec, const std::string& name, const std::string& program) {
  const store::Store store = store::Store::open(spec.store);
  const LoadedPlan image = load_plan(spec.directory);
  const StagedDirectory work(spec.directory / "load");
  export_layout(image, store, work.path() / "oci", name);
  container::LoadReport loaded = container::load_layout(work.path() / "oci", platform_of(image), name,
                                                        container::Client(program), store);
  trace_step("bottle-image", spec.slug, "load", "built",
             {{"layers", std::to_string(loaded.layers)}, {"sent", std::to_string(loaded.transferred)}});
  return loaded;
}

}  // namespace bottle::image::engine
