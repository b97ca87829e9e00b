// SPDX-License-Identifier: Apache-2.0
#include "registry/server/socket.hpp"

#include "util/error.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace bottle::registry {
namespace {

constexpr int kBacklog = 511;

}  // namespace

ListeningSocket listen_on(const std::string& host, std::uint16_t port) {
  sockaddr_storage storage{};
  socklen_t length = 0;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    length = sizeof *v4;
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    length = sizeof *v6;
  } else {
    throw Error("expected an IP address to listen on, found \"" + host + "\"",
                {.hint = "use 127.0.0.1 or ::1 for this machine only, or 0.0.0.0 for all interfaces"});
  }
  const bool is_v6 = storage.ss_family == AF_INET6;
  const std::string bracketed = is_v6 ? "[" + host + "]" : host;
  const std::string name = bracketed + ":" + std::to_string(port);

  ListeningSocket listening;
  listening.socket = Fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening.socket) throw_errno("cannot create a socket for", name);
  const int on = 1;
  // Allows a port that an earlier server has just released.
  (void)::setsockopt(listening.socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (is_v6) (void)::setsockopt(listening.socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(listening.socket.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    const int error = errno;
    throw Error(
        "cannot listen on " + name + ": " + std::generic_category().message(error),
        {.hint = error == EADDRINUSE ? "choose another port, or omit it for a free one: this port is in use"
                                     : "choose an address of this host"});
  }
  if (::listen(listening.socket.get(), kBacklog) != 0) throw_errno("cannot listen on", name);
  if (::getsockname(listening.socket.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0)
    throw_errno("cannot get the port of", name);
  listening.port = ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
  listening.address = bracketed + ":" + std::to_string(listening.port);
  return listening;
}

}  // namespace bottle::registry
