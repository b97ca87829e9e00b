// SPDX-License-Identifier: Apache-2.0
// A small registry: all of the OCI distribution specification 1.1 over plain HTTP, for the moments when a
// tool accepts nothing but a registry. Runs in this process on its own threads.
//
//   Server server({.source = {ServerSource::Kind::layout, directory}, .read_only = true});
//   run("...", server.address() + "/name:latest");
//   server.stop();
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "registry/server/limits.hpp"
#include "registry/server/record.hpp"
#include "util/file.hpp"

namespace bottle::registry {

// What is served. Nothing of it is copied.
struct ServerSource {
  enum class Kind {
    root,    // a directory with one OCI layout a repository; "a/b" is the directory "a+b"
    layout,  // one OCI layout, which every repository name shows
    store,   // the blobs of a store, by digest, under every name; for reading only
  };
  Kind kind = Kind::root;
  fs::path directory;  // made if it is not there, unless for reading only
};

struct ServerOptions {
  ServerSource source;
  std::string listen = "127.0.0.1";  // an address of this host, IPv4 or IPv6 (without brackets)
  std::uint16_t port = 0;            // 0: a free one
  bool read_only = false;
  std::string token;  // "" allows every client
  // Hosts, without port, that requests may name beside loopback and the address it listens on.
  std::vector<std::string> hosts;
  Durable durable = Durable::yes;
  ServerLimits limits;
  std::function<void(const RequestRecord&)> on_request;  // from any thread; may be empty
};

class Server {
 public:
  // Listens and answers when this returns. Throws an Error that names the address or the directory.
  explicit Server(ServerOptions options);
  ~Server();  // stop()
  Server(Server&&) = delete;

  std::uint16_t port() const;
  std::string address() const;  // "127.0.0.1:4711", "[::1]:4711"
  std::string url() const;      // "http://127.0.0.1:4711"
  ServerCounts counts() const;
  // Ends all connections, wherever they are. Unfinished uploads stay in the directory. Idempotent.
  void stop();
  // From time to time, for servers that live long.
  void expire_uploads();

 private:
  class Front;
  std::unique_ptr<Front> front_;
};

// The digits of 32 random bytes.
std::string random_token();

}  // namespace bottle::registry
