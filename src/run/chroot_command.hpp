// SPDX-License-Identifier: Apache-2.0
// A command executed with another root directory and the rights that a runtime would give it, but without
// namespaces, control groups or mounts.
// Source: OCI runtime-spec 1.0, config.md "POSIX process"; capabilities(7), "Transformation of capabilities
// during execve()".
#pragma once

#include "run/bundle.hpp"
#include "run/runtime.hpp"

namespace bottle::run {

// Executes the bundle's command in its root as a child of a process that ends everything that the command
// leaves running. The bundle's mounts are the caller's business (run/placement.hpp). The command has
// descriptors 0, 1 and 2 only; its capabilities are those of run/bundle.hpp as far as this process has them.
RuntimeResult execute_in_chroot(const Bundle& bundle, int output);

}  // namespace bottle::run
