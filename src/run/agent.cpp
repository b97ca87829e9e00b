// SPDX-License-Identifier: Apache-2.0
#include "run/agent.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "util/error.hpp"

namespace bottle::run {
namespace {

constexpr std::size_t kMaximumConnections = 64;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw Error("the path of the ssh agent's socket is too long", {.where = path});
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Fd new_socket() {
  Fd descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!descriptor) throw_errno("cannot create a socket", "socket");
  return descriptor;
}

Fd connect_to(const sockaddr_un& address) {
  Fd descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!descriptor ||
      ::connect(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return Fd();
  return descriptor;
}

struct Connection {
  Fd asking;
  Fd agent;
};

// False at the end, or when the other side takes no more.
bool pass_on(const Fd& from, const Fd& to) {
  std::array<char, 16u << 10> buffer;
  const ssize_t count = ::read(from.get(), buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR;
  for (ssize_t done = 0; done < count;) {
    const ssize_t written =
        ::send(to.get(), buffer.data() + done, static_cast<std::size_t>(count - done), MSG_NOSIGNAL);
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) done += written;
  }
  return count > 0;
}

[[noreturn]] void relay(const Fd& listener, const sockaddr_un& agent) {
  std::vector<Connection> connections;
  for (;;) {
    std::vector<pollfd> waits{{listener.get(), POLLIN, 0}};
    if (connections.size() >= kMaximumConnections) waits.front().fd = -1;
    for (const Connection& connection : connections)
      for (const Fd* end : {&connection.asking, &connection.agent})
        waits.push_back({end->get(), POLLIN, 0});
    if (::poll(waits.data(), waits.size(), -1) < 0) {
      if (errno == EINTR) continue;
      ::_exit(1);
    }
    for (std::size_t i = connections.size(); i-- > 0;) {
      Connection& connection = connections[i];
      bool is_open = true;
      if (waits[1 + 2 * i].revents != 0) is_open = pass_on(connection.asking, connection.agent);
      if (is_open && waits[2 + 2 * i].revents != 0) is_open = pass_on(connection.agent, connection.asking);
      if (!is_open) connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (waits.front().revents == 0) continue;
    Connection fresh{Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)), connect_to(agent)};
    if (fresh.asking && fresh.agent) connections.push_back(std::move(fresh));
  }
}

}  // namespace

AgentRelay::AgentRelay(const std::string& agent, const fs::path& directory, const std::string& name,
                       const std::function<void(const fs::path&)>& own)
    : socket_(directory / name) {
  const sockaddr_un agent_address = address_of(agent);
  if (!connect_to(agent_address))
    throw Error("cannot reach the ssh agent: " + std::generic_category().message(errno),
                {.where = agent, .hint = "start an agent: eval $(ssh-agent); ssh-add"});
  // However long the path of the store is.
  const Fd place(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place) throw_errno("cannot open", directory.native());
  const sockaddr_un address = address_of("/proc/self/fd/" + std::to_string(place.get()) + "/" + name);
  const Fd listener = new_socket();
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), 16) != 0)
    throw_errno("cannot listen on", socket_.native());
  own(socket_);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw_errno("cannot start a process", "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    // The others wait for the end of what this process has no part in.
    if (listener.get() > 3) ::close_range(3, static_cast<unsigned>(listener.get()) - 1, 0);
    ::close_range(static_cast<unsigned>(listener.get()) + 1, ~0u, 0);
    relay(listener, agent_address);
  }
  child_.emplace(pid, false);
}

}  // namespace bottle::run
