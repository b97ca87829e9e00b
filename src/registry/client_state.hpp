// SPDX-License-Identifier: Apache-2.0
// What a client keeps between requests. For the files of this room only.
#pragma once

#include <utility>

#include "registry/session.hpp"

namespace bottle::registry {

struct ClientState {
  explicit ClientState(ClientOptions options) : session(std::move(options)) {}
  Session session;
  MountRefusals mount_refusals;
};

}  // namespace bottle::registry
