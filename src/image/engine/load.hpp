// SPDX-License-Identifier: Apache-2.0
// The image of a bottle on its way into Docker or Podman.
#pragma once

#include <string>

#include "container/load.hpp"
#include "image/model/spec.hpp"

namespace bottle::image::engine {

// The image of the plan in spec.directory, into "docker" or "podman".
container::LoadReport load_step(const BuildSpec& spec, const std::string& name, const std::string& program);

}  // namespace bottle::image::engine
