// SPDX-License-Identifier: Apache-2.0
// What a specification says of the machine made from a pack, beyond PackSpec: who runs its command, and for
// which smolvm the pack is. Only bottle-pack reads it.
#pragma once

#include <optional>
#include <string>

#include "util/file.hpp"

namespace bottle::image {
inline namespace model {

struct MachineSpec {
  std::optional<std::string> user;  // instead of the image's
  std::string smolvm_version;       // "1.16.2"; "" or "current" is the newest known
};

// Of the members pack.user and pack.smolvmVersion of a file that load_spec() has read.
MachineSpec load_machine_spec(const fs::path& file);

}  // namespace model
}  // namespace bottle::image
