// SPDX-License-Identifier: Apache-2.0
// Starting a gate in a container, and removing what that made. With Docker's command line or Podman's,
// through container/client.hpp.
//
// What `up` makes carries labels: bottle.gate=<slug>, and bottle.gate.instance=<where the gate was rendered>,
// so that `down` removes that and nothing else, whatever became of the process that made it. Containers are
// "gate-<slug>", "gate-<slug>-2", ...; the networks "gate-<slug>-inside" (internal: bottles reach the gate
// there, and nothing beyond) and, for the way out, an own one unless a network is named.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gate/launch_request.hpp"
#include "gate/rendered_gate.hpp"
#include "util/file.hpp"

namespace bottle::gate {

struct GateStatus {
  std::string container;
  std::string address;  // "git://172.18.0.2:9418": where bottles find it, as this machine sees it
  std::string network;  // the internal one to attach bottles to; "" with egress "host"
  bool answers = false;
  std::string state;  // "running", "exited", "created": as the engine says it

  std::string json() const;
};

// The slug that gate.json of a rendered directory names.
std::string slug_of(const fs::path& rendered);

// The words of `create` that take from a gate's container what it does not need: capabilities, new
// privileges, writing outside of the places that it works in, and more memory and processes than its kind
// uses. With a forwarded agent its root stays writable, as an account is put into /etc/passwd.
std::vector<std::string> confinement(const LaunchRequest& request, const RenderedGate& gate, bool has_agent);

// Creates the container under the first free name, copies the rendered files, known_hosts and the identities
// into it (0400, owned by the gate's user), attaches both networks, starts it and waits until it answers.
// What an earlier, interrupted `up` of the same gate left is removed first; one that is running is left alone
// and returned. On failure all that was made is removed. Identities are opened here and nowhere else, before
// anything is made.
GateStatus gate_up(const LaunchRequest& request);

// Removes the containers and networks of this gate. Returns the names of what was there; none is not an
// error.
std::vector<std::string> gate_down(const LaunchRequest& request);

// nullopt: there is none.
std::optional<GateStatus> gate_status(const LaunchRequest& request);

}  // namespace bottle::gate
