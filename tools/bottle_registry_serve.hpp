// SPDX-License-Identifier: Apache-2.0
// `bottle-registry serve` (docs/tools/bottle-registry-serve.md).
#pragma once

#include <memory>

#include "util/command_line.hpp"

namespace bottle {

class ServeCommand {
 public:
  // Adds the sub-command to `app`.
  ServeCommand(Subcommand app, const CommonOptions& common);
  ~ServeCommand();

  bool parsed() const;
  int run();  // until a signal ends it

 private:
  struct Options;
  std::unique_ptr<Options> options_;
};

}  // namespace bottle
