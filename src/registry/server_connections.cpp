#include "registry/server_connections.hpp"

#include <sys/socket.h>

namespace bottle::registry {

Connections::Connections(std::chrono::seconds patience)
    : patience_(patience), watcher_([this] { watch(); }) {}

Connections::~Connections() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  ended_.notify_all();
  watcher_.join();
}

void Connections::opened(int socket) {
  const std::lock_guard guard(mutex_);
  open_[socket] = {Clock::now(), true};
  ++ever_;
}

void Connections::closed(int socket) {
  const std::lock_guard guard(mutex_);
  open_.erase(socket);
}

void Connections::request_begun(int socket) {
  const std::lock_guard guard(mutex_);
  const auto found = open_.find(socket);
  if (found != open_.end()) found->second.waiting = false;
}

void Connections::request_ended(int socket) {
  const std::lock_guard guard(mutex_);
  const auto found = open_.find(socket);
  if (found != open_.end()) found->second = {Clock::now(), true};
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
    ended_.wait_for(lock, std::chrono::seconds(1));
    const auto now = Clock::now();
    for (const auto& [socket, state] : open_) {
      if (!state.waiting || now - state.since < patience_) continue;
      // The socket is open as long as it is in the list; its owner sees the end and closes it.
      ::shutdown(socket, SHUT_RDWR);
    }
  }
}

}  // namespace bottle::registry
