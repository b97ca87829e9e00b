// SPDX-License-Identifier: Apache-2.0
// Which smolvm the agent of an agent root filesystem is of.
#pragma once

#include <string>

#include "pack/smolvm_version.hpp"
#include "util/file.hpp"

namespace bottle::pack {

struct AgentVersion {
  std::optional<SmolvmVersion> version;
  std::string problem;  // why it is not known: "...", for a warning
};

// Asks the agent (`smolvm-agent --version`, which prints its version and exits before it does anything else).
// It must be /usr/local/bin/smolvm-agent of the directory, or what its /sbin/init leads to, under that name;
// no other program is started. It gets 10 s, no input, and an empty environment but for PATH.
AgentVersion ask_agent_version(const fs::path& directory);

}  // namespace bottle::pack
