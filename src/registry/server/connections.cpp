// SPDX-License-Identifier: Apache-2.0
#include "registry/server/connections.hpp"

#include <sys/socket.h>

namespace bottle::registry {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(200);

// The client has closed, and all that it sent before has been read.
bool has_ended(int socket) {
  char byte = 0;
  return ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

}  // namespace

Connections::Connections(std::chrono::seconds patience)
    : patience_(patience), watcher_([this] { watch(); }) {}

Connections::~Connections() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  watcher_.join();
}

void Connections::opened(int socket) {
  {
    const std::lock_guard guard(mutex_);
    open_[socket] = {Clock::now()};
    ++ever_;
  }
  changed_.notify_all();
}

void Connections::closed(int socket) {
  const std::lock_guard guard(mutex_);
  open_.erase(socket);
}

void Connections::enter(int socket, Phase phase) {
  const std::lock_guard guard(mutex_);
  const auto found = open_.find(socket);
  if (found != open_.end()) found->second = {Clock::now(), phase};
}

unsigned Connections::now() const {
  const std::lock_guard guard(mutex_);
  return static_cast<unsigned>(open_.size());
}

std::uint64_t Connections::ever() const {
  const std::lock_guard guard(mutex_);
  return ever_;
}

void Connections::watch() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    // Nothing wakes up in a server without clients.
    changed_.wait(lock, [this] { return stop_ || !open_.empty(); });
    changed_.wait_for(lock, kInterval, [this] { return stop_; });
    const auto now = Clock::now();
    for (auto& [socket, state] : open_) {
      const bool late = state.phase == Phase::head && now - state.since >= patience_;
      const bool ended = state.phase != Phase::answer && has_ended(socket);
      // The socket is open as long as it is in the list; its owner sees the end and closes it. Not at first
      // sight: a request that came with it may still be on its way to its answer.
      if (late || (ended && state.seemed_ended)) ::shutdown(socket, SHUT_RDWR);
      state.seemed_ended = ended;
    }
  }
}

}  // namespace bottle::registry
