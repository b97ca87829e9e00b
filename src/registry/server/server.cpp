// SPDX-License-Identifier: Apache-2.0
#include "registry/server/server.hpp"

#include "registry/server/http.hpp"
#include "registry/server/service.hpp"
#include "registry/server/socket.hpp"
#include "util/error.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <mutex>
#include <optional>
#include <utility>

namespace bottle::registry {
namespace {

Repositories::Kind kind_of(ServerSource::Kind kind) {
  switch (kind) {
    case ServerSource::Kind::layout:
      return Repositories::Kind::layout;
    case ServerSource::Kind::store:
      return Repositories::Kind::store;
    case ServerSource::Kind::root:
      break;
  }
  return Repositories::Kind::root;
}

// A directory that cannot be served is an error before the first request.
void prepare(const ServerOptions& options) {
  const fs::path& directory = options.source.directory;
  if (options.source.kind == ServerSource::Kind::store) return;
  if (options.source.kind == ServerSource::Kind::root) {
    if (!options.read_only) make_directories(directory);
    if (!fs::is_directory(directory)) throw Error("expected a directory", {.where = directory.native()});
    return;
  }
  const Layout layout(directory, options.durable);
  if (layout.exists()) {
    (void)layout.index();  // a damaged one is said now
    return;
  }
  std::error_code ignored;
  const bool is_fresh = !fs::exists(directory, ignored) || fs::is_empty(directory, ignored);
  if (options.read_only || !is_fresh)
    throw Error("expected an OCI image layout, found no index.json", {.where = directory.native()});
  layout.create();
}

}  // namespace

class Server::Front {
 public:
  explicit Front(ServerOptions options)
      : service_(kind_of(options.source.kind), options.source.directory, options.durable,
                 Access{options.read_only || options.source.kind == ServerSource::Kind::store, options.token,
                        ServerHosts(options.listen, options.hosts)},
                 options.limits) {
    ListeningSocket listening = listen_on(options.listen, options.port);
    port_ = listening.port;
    address_ = listening.address;
    const BlockedSignals blocked;
    http_.emplace(std::move(listening), service_, options.limits, std::move(options.on_request));
  }

  std::uint16_t port() const { return port_; }
  const std::string& address() const { return address_; }
  Service& service() { return service_; }

  ServerCounts counts() const {
    const std::lock_guard guard(mutex_);
    return http_ ? http_->counts() : last_;
  }

  void stop() {
    const std::lock_guard guard(mutex_);
    if (!http_) return;
    last_ = http_->counts();
    last_.connections = 0;
    http_.reset();
    service_.expire_uploads();
  }

 private:
  Service service_;
  std::uint16_t port_ = 0;
  std::string address_;
  mutable std::mutex mutex_;
  std::optional<HttpDaemon> http_;
  ServerCounts last_;
};

Server::Server(ServerOptions options) {
  prepare(options);
  front_ = std::make_unique<Front>(std::move(options));
  front_->service().expire_uploads();
}

Server::~Server() {
  try {
    stop();
  } catch (const std::exception&) {  // what could not be tidied is tidied by the next server
  }
}

std::uint16_t Server::port() const {
  return front_->port();
}

std::string Server::address() const {
  return front_->address();
}

std::string Server::url() const {
  return "http://" + front_->address();
}

ServerCounts Server::counts() const {
  return front_->counts();
}

void Server::stop() {
  front_->stop();
}

void Server::expire_uploads() {
  front_->service().expire_uploads();
}

std::string random_token() {
  std::array<unsigned char, 32> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw_errno("cannot get random bytes", "getrandom");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace bottle::registry
