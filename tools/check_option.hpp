// SPDX-License-Identifier: Apache-2.0
// --check: the rules of a Dockerfile and nothing else, of bottle-fingerprint and bottle-image.
#pragma once

#include "image/model/spec.hpp"
#include "util/command_line.hpp"

namespace bottle::tools {

Option add_check_option(Subcommand app, bool& check);

// Prints on stdout what was found, and returns the exit status: 3 if a rule fired, 1 if the Dockerfile would
// not build, else 0.
int run_check(const image::BuildSpec& spec, const CommonOptions& common);

}  // namespace bottle::tools
