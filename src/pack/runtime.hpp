// SPDX-License-Identifier: Apache-2.0
// The agent's root filesystem of an installed smolvm, which packs carry for `smolvm pack run`.
#pragma once

#include <optional>
#include <string>

#include "oci/layer_index.hpp"
#include "pack/agent_version.hpp"
#include "store/store.hpp"
#include "util/digest.hpp"
#include "util/file.hpp"

namespace bottle::pack {

// `choice` is a directory, "none", or "" for the places where smolvm itself looks: $SMOLVM_AGENT_ROOTFS, the
// user's data directory, beside the smolvm program on PATH, /usr/lib/smolvm. A place counts if sbin/init is
// there (a link that dangles on the host). A directory that was named and has none is an Error.
std::optional<fs::path> find_runtime(const std::string& choice);

struct Runtime {
  fs::path directory;
  oci::LayerIndex index;  // owner 0:0, times 0; contents under the root "context:runtime"
  Digest digest;
  AgentVersion agent;
};

// Reads the directory. Contents are read, and the agent is asked for its version, only if the listing (names,
// sizes, times, inodes) is one the store has not seen.
Runtime read_runtime(const fs::path& directory, const store::Store& store);

}  // namespace bottle::pack
