// SPDX-License-Identifier: Apache-2.0
// The OCI runtime that executes RUN: found, and tried out before it is trusted.
// Source: OCI runtime-spec 1.0, runtime.md; the command lines of crun(1) and runc(8), which are the same.
#pragma once

#include <array>
#include <optional>
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

// What a runtime is used with, from all that it can do to what a restricted container leaves of it. The
// command is kept apart by the same namespaces in each.
struct RuntimeMode {
  const char* name;
  bool has_control_group = true;  // and a keyring; not where /sys/fs/cgroup is read-only or keyctl(2) refused
  bool has_pivot = true;          // else the root is moved and changed, where pivot_root(2) is refused
  bool has_new_proc = true;       // else the /proc that is there, which shows its own processes
};
extern const std::array<RuntimeMode, 5> kRuntimeModes;  // what asks for the most first

struct Runtime {
  fs::path program;
  bool has_seccomp = true;
  RuntimeMode mode = kRuntimeModes.front();
};

// Executes the bundle in a process of run_confined(). `directory` is a private one that the configuration and
// the runtime's state are written to; the command's output goes to the descriptor.
RuntimeResult execute(const Runtime& runtime, const fs::path& directory, const std::string& container,
                      const Bundle& bundle, int output);

// Whether $BOTTLE_OCI_RUNTIME, or one of crun and runc, is there.
bool is_runtime_installed();
// The runtime of that file, if it is there as it was when it was tried and the machine allowed the same
// (MachineFacts::text()).
std::optional<Runtime> remembered_runtime(IdMapping id_mapping, const fs::path& memory,
                                          const std::string& machine);
// The runtime to use: $BOTTLE_OCI_RUNTIME, else the first of crun and runc that can execute a program here;
// one that can only in a more restricted mode, or without a limit to its system calls (a runtime or kernel
// without seccomp) if need be. Which one that is is remembered in `memory`. To be called in a process of
// run_confined(), with an empty private directory and a name for a container to try. Throws saying what to
// install, or why none works.
Runtime find_runtime(IdMapping id_mapping, const fs::path& memory, const std::string& machine,
                     const fs::path& directory, const std::string& container);

// The control groups that a container of this name left, removed. They are empty.
void remove_control_groups(const std::string& container);

}  // namespace bottle::run
