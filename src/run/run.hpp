// SPDX-License-Identifier: Apache-2.0
// RUN: a command executed by an OCI runtime over the tree of an image, and the layer that it makes.
//
// All of it happens in a process with separate mount and process namespaces (run/confinement.hpp), in a
// directory <store>/run/<name> that the next RUN removes if this one was killed:
//   lock      held while a process works here
//   private/  memory-backed: configuration, runtime state, secrets
//   upper, work, root     the overlay's
//   mount<n>  trees of bind mounts
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/model/plan.hpp"
#include "image/model/spec.hpp"
#include "oci/layer_index.hpp"
#include "run/confinement.hpp"
#include "run/context.hpp"
#include "run/request.hpp"
#include "run/user.hpp"
#include "store/store.hpp"

namespace bottle::run {

// A running RUN instruction. Several may run at once; see ConfinedProcess::wait().
class RunExecution {
 public:
  // Starts it. `context` and what it refers to must stay, and stay as they are, until the end.
  RunExecution(const RunRequest& request, RunContext context);
  // Kills the command and all that it started, if it has not ended.
  ~RunExecution();
  RunExecution(RunExecution&&) = delete;

  ConfinedProcess& process();
  // When the process has finished: the layer, with its bytes in a blob of the store. Throws an Error without
  // a place when the command failed: its message holds the exit code and the last lines that the command
  // said.
  oci::LayerIndex finish();
  // After finish(): why the command worked on a copy of the tree where it should have been an overlay.
  const std::string& why_copied() const { return why_copied_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string why_copied_;
};

}  // namespace bottle::run
