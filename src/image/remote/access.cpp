// SPDX-License-Identifier: Apache-2.0
#include "image/remote/access.hpp"

#include <mutex>
#include <optional>

namespace bottle::image::remote {

struct RemoteAccess::State {
  std::mutex mutex;
  std::optional<registry::Client> client;
  std::optional<registry::Http> http;
};

RemoteAccess::RemoteAccess() : state_(std::make_unique<State>()) {}
RemoteAccess::~RemoteAccess() = default;

const registry::Client& RemoteAccess::client() const {
  const std::lock_guard lock(state_->mutex);
  if (!state_->client) state_->client.emplace();
  return *state_->client;
}

const registry::Http& RemoteAccess::http() const {
  const std::lock_guard lock(state_->mutex);
  if (!state_->http) state_->http.emplace();
  return *state_->http;
}

}  // namespace bottle::image::remote
