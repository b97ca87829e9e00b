// SPDX-License-Identifier: Apache-2.0
// bottle-pack runtime: what a build system needs to know of smolvm's agent root filesystem.
#pragma once

#include <string>

#include "util/command_line.hpp"

namespace bottle::tools {

struct RuntimeOptions {
  std::string directory;  // "": the places where smolvm looks
  std::string stamp;
  std::string result;
  std::string depfile;
  std::string store;

  Subcommand add_to(Subcommand app);
  // Prints the directory and its digest, or, with `result`, writes the digest there if it is another.
  int run(bool json) const;
};

}  // namespace bottle::tools
