// SPDX-License-Identifier: Apache-2.0
// The ssh agent as RUN --mount=type=ssh shows it: a socket with the owner and mode that the mount asks for,
// whose connections are passed on to the caller's agent. The agent's own socket could have neither. Source:
// Dockerfile reference, "RUN --mount=type=ssh".
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "util/file.hpp"
#include "util/process.hpp"

namespace bottle::run {

class AgentRelay {
 public:
  // Listens in `directory` under `name`; `own` sets the owner and mode of what is made there. The process
  // that passes on ends with this object, and with this process.
  AgentRelay(const std::string& agent, const fs::path& directory, const std::string& name,
             const std::function<void(const fs::path&)>& own);
  const fs::path& socket() const { return socket_; }

 private:
  fs::path socket_;
  std::optional<Child> child_;
};

}  // namespace bottle::run
