// SPDX-License-Identifier: Apache-2.0
// What goes into a gate's container before it starts: the rendered files, and the identities with the owner
// and permissions that the gate's programs need.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "container/client.hpp"
#include "gate/launch_request.hpp"
#include "gate/rendered_gate.hpp"

namespace bottle::gate {

struct Owner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// The identities' contents, by upstream. All that is secret here is in this map, and goes from it into the
// container. Throws an Error that names the file or secret which is not there.
std::map<std::string, std::string> read_identities(const LaunchRequest& request, const RenderedGate& gate);

// An agent talks to its own account alone, so the gate's programs have to run as that one.
Owner agent_owner(const std::string& agent);

// Copies everything into a container that was created and not started. `other` is given when its programs
// run as another account than the image's.
void copy_files(const container::Client& client, const std::string& container, const LaunchRequest& request,
                const RenderedGate& gate, const std::map<std::string, std::string>& identities,
                const std::optional<Owner>& other);

}  // namespace bottle::gate
