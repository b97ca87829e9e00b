// SPDX-License-Identifier: Apache-2.0
// `bottle-image docker ...`: the commands of image/engine/docker_client.hpp for scripts, and `bottle-image
// load`.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "util/command_line.hpp"

namespace bottle::tools {

// Adds the sub-commands. What is returned runs the one that was given, once the command line is parsed, and
// says the exit status; nullopt: it was another. `common` outlives it.
std::function<std::optional<int>()> add_docker_commands(Subcommand app, const CommonOptions& common);

}  // namespace bottle::tools
