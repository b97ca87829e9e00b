// The OCI runtime that executes RUN: found, and tried out before it is trusted.
// Source: OCI runtime-spec 1.0, runtime.md; the command lines of crun(1) and runc(8), which are the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "run/bundle.hpp"
#include "run/confinement.hpp"
#include "util/process.hpp"

namespace bottle::run {

struct RuntimeResult {
  ExitStatus status;
  // What the runtime itself had to complain of; then the command never ran.
  std::string complaint;
};

// Executes the bundle in a process of run_confined(). `directory` is a private one that the configuration and
// the runtime's state are written to; the command's output goes to the descriptor.
RuntimeResult execute(const fs::path& runtime, const fs::path& directory, const std::string& container,
                      const Bundle& bundle, int output);

struct Runtime {
  fs::path program;
  bool has_seccomp = true;
};

// The runtime to use: $BOTTLE_OCI_RUNTIME, else the first of crun and runc that can execute a program here;
// one that can only without a limit to its system calls (a runtime or kernel without seccomp) if need be.
// Which one that is is remembered in `memory` (a file), until the program changes. To be called in a process
// of run_confined(), with an empty private directory and a name for a container to try. Throws saying what to
// install, or why none works.
Runtime find_runtime(IdMapping id_mapping, const fs::path& memory, const fs::path& directory,
                     const std::string& container);

// The control groups that a container of this name left, removed. They are empty.
void remove_control_groups(const std::string& container);

}  // namespace bottle::run
