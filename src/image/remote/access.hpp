// SPDX-License-Identifier: Apache-2.0
// The network, used when something is not in the store. Nothing is opened or asked for before the first use.
#pragma once

#include <memory>

#include "registry/client.hpp"
#include "registry/http.hpp"

namespace bottle::image::remote {

// May be used by several threads at once.
class RemoteAccess {
 public:
  RemoteAccess();
  ~RemoteAccess();
  RemoteAccess(RemoteAccess&&) = delete;

  const registry::Client& client() const;
  const registry::Http& http() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bottle::image::remote
