// SPDX-License-Identifier: Apache-2.0
#include "gate/launch.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <thread>

#include <fmt/format.h>

#include "container/client.hpp"
#include "container/name.hpp"
#include "gate/container_files.hpp"
#include "gate/rendered_gate.hpp"
#include "util/digest.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

using container::Client;
using container::CommandStatus;
using container::OnFailure;

std::string instance_of(const LaunchRequest& request) {
  return fs::weakly_canonical(fs::absolute(request.rendered)).native();
}

std::vector<std::string> labels(const LaunchRequest& request, const RenderedGate& gate) {
  return {"--label", "bottle.gate=" + gate.slug, "--label", "bottle.gate.instance=" + instance_of(request)};
}

// Names of all of the gate's containers or networks.
std::vector<std::string> owned(const Client& client, const char* kind, const LaunchRequest& request,
                               const RenderedGate& gate) {
  std::vector<std::string> words{kind, "ls"};
  if (std::string_view(kind) == "container") words.push_back("--all");
  words.insert(words.end(), {"--filter", "label=bottle.gate=" + gate.slug, "--filter",
                             "label=bottle.gate.instance=" + instance_of(request), "--format",
                             std::string_view(kind) == "container" ? "{{.Names}}" : "{{.Name}}"});
  const CommandStatus status = client.command(words, std::string(kind) + " ls", OnFailure::fatal);
  std::vector<std::string> names;
  for (const std::string_view line : split(status.output, '\n'))
    if (!line.empty()) names.emplace_back(line);
  return names;
}

std::vector<std::string> remove_owned(const Client& client, const LaunchRequest& request,
                                      const RenderedGate& gate, OnFailure policy) {
  std::vector<std::string> removed;
  for (const std::string& name : owned(client, "container", request, gate))
    if (client.force_remove(name, policy).ok()) removed.push_back(name);
  for (const std::string& name : owned(client, "network", request, gate))
    if (client.command({"network", "rm", name}, "network rm " + name, policy).ok()) removed.push_back(name);
  return removed;
}

// Removes what was made unless told that all is well; also when a signal ends the tool.
class Undo {
 public:
  Undo(const Client& client, const LaunchRequest& request, const RenderedGate& gate)
      : client_(client), request_(request), gate_(gate) {}
  ~Undo() {
    if (done_) return;
    const Uninterrupted uninterrupted;
    try {
      remove_owned(client_, request_, gate_, OnFailure::best_effort);
    } catch (...) {  // the first failure is the one that is told; the next `up` or `down` finds the rest by
                     // its labels
    }
  }
  Undo(Undo&&) = delete;
  void keep() { done_ = true; }

 private:
  const Client& client_;
  const LaunchRequest& request_;
  const RenderedGate& gate_;
  bool done_ = false;
};

bool answers(const std::string& address, std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &name.sin_addr) != 1) return false;
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return false;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return true;
  if (errno != EINPROGRESS) return false;
  pollfd wait{socket.get(), POLLOUT, 0};
  if (::poll(&wait, 1, 500) != 1) return false;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

// Networks have no candidates for names, so theirs cannot be another gate's.
std::string network_name(const LaunchRequest& request, const RenderedGate& gate, const char* side) {
  return fmt::format("gate-{}-{}-{}", gate.slug, sha256(instance_of(request)).hex().substr(0, 8), side);
}

std::string make_network(const Client& client, const LaunchRequest& request, const RenderedGate& gate,
                         const char* side, const std::vector<std::string>& options) {
  std::string name = network_name(request, gate, side);
  std::vector<std::string> words{"network", "create"};
  for (const auto& more : {labels(request, gate), options})
    words.insert(words.end(), more.begin(), more.end());
  words.push_back(name);
  client.command(words, "network create " + name, OnFailure::fatal);
  return name;
}

GateStatus describe(const Client& client, const LaunchRequest& request, const RenderedGate& gate,
                    const std::string& container, OnFailure policy) {
  GateStatus running;
  running.container = container;
  const CommandStatus status = client.command(
      {"container", "inspect", "--format", "{{.State.Status}} {{.HostConfig.NetworkMode}}", container},
      "container inspect " + container, policy);
  const auto blank = status.output.find(' ');
  running.state = status.output.substr(0, blank);
  std::string address;
  std::vector<std::string> addresses;
  if (blank != std::string::npos && status.output.substr(blank + 1) == "host") {
    address = "127.0.0.1";
    addresses = {address};
  } else {
    running.network = network_name(request, gate, "inside");
    address = client
                  .command({"container", "inspect", "--format",
                            "{{with index .NetworkSettings.Networks \"" + running.network +
                                "\"}}{{.IPAddress}}{{end}}",
                            container},
                           "container inspect " + container, OnFailure::status)
                  .output;
    // Not every engine gives this machine an address in an internal network; then the gate is seen to answer
    // on the way out.
    const std::string all =
        client
            .command({"container", "inspect", "--format",
                      "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", container},
                     "container inspect " + container, OnFailure::status)
            .output;
    for (const std::string_view word : split(all, ' '))
      if (!word.empty()) addresses.emplace_back(word);
  }
  running.answers = running.state == "running" &&
                    std::any_of(addresses.begin(), addresses.end(),
                                [&](const std::string& each) { return answers(each, gate.port); });
  if (!address.empty()) running.address = fmt::format("{}://{}:{}", gate.scheme(), address, gate.port);
  return running;
}

GateStatus wait_for(const Client& client, const LaunchRequest& request, const RenderedGate& gate,
                    const std::string& container) {
  const auto end = std::chrono::steady_clock::now() + request.timeout;
  for (;;) {
    check_interrupted();
    GateStatus running = describe(client, request, gate, container, OnFailure::fatal);
    if (running.answers) return running;
    const bool ended = running.state != "running";
    if (ended || std::chrono::steady_clock::now() > end) {
      // What a container writes to its standard error comes on that of the client.
      const std::string said =
          last_line(run_program({.arguments = {client.program(), "logs", "--tail", "5", container}}).output);
      throw Error(ended
                      ? fmt::format("the gate exited before it answered{}{}", said.empty() ? "" : ": ", said)
                      : fmt::format("the gate did not answer within {} s", request.timeout.count()),
                  {.where = "container " + container});
    }
    std::this_thread::sleep_for(
        std::chrono::milliseconds(100));  // engines do not report when a port of a container is open
  }
}

}  // namespace

std::vector<std::string> confinement(const LaunchRequest& request, const RenderedGate& gate, bool has_agent) {
  const bool is_git = gate.kind == "git-gate";
  // git daemon serves 32 at once, each with git, ssh and the threads of a scanner.
  const std::string memory = !request.memory.empty() ? request.memory : is_git ? "2g" : "256m";
  const std::string pids = !request.pids_limit.empty() ? request.pids_limit : is_git ? "1024" : "256";
  std::vector<std::string> words{"--cap-drop", "ALL",  "--security-opt", "no-new-privileges",
                                 "--memory",   memory, "--pids-limit",   pids,
                                 "--tmpfs",    "/tmp", "--tmpfs",        "/run"};
  // Volumes without a name begin with what the image has there, take files before the start, and go with the
  // container.
  if (!has_agent) words.insert(words.end(), {"--read-only", "--volume", gate.root(), "--volume", gate.etc()});
  // Its programs are not root's: in a separate network namespace they may use the first ports too.
  if (gate.port < 1024 && request.egress != "host")
    words.insert(words.end(), {"--sysctl", "net.ipv4.ip_unprivileged_port_start=0"});
  return words;
}

std::string GateStatus::json() const {
  return OrderedJson{{"container", container},
                     {"address", address},
                     {"network", network},
                     {"state", state},
                     {"answers", answers}}
             .dump(2) +
         "\n";
}

std::string slug_of(const fs::path& rendered) {
  return load_rendered(rendered).slug;
}

GateStatus gate_up(const LaunchRequest& request) {
  const RenderedGate gate = load_rendered(request.rendered);
  const Client client(request.program, request.note);
  if (auto running = gate_status(request); running && running->answers) return *running;
  const std::map<std::string, std::string> identities = read_identities(request, gate);
  if (!client.image_id(request.image, OnFailure::fatal))
    throw Error(
        "no such image: " + request.image,
        {.where = request.program,
         .hint = "load it with bottle-image load, or build the target bottle-" + gate.slug + "-load"});
  remove_owned(client, request, gate, OnFailure::fatal);

  Undo undo(client, request, gate);
  container::NewContainer container;
  container.image = request.image;
  container.options = labels(request, gate);
  std::string egress = request.egress;
  if (egress == "host") {
    container.options.insert(container.options.end(), {"--network", "host"});
  } else {
    if (egress.empty()) egress = make_network(client, request, gate, "outside", {});
    const std::string inside = make_network(client, request, gate, "inside", {"--internal"});
    container.options.insert(container.options.end(), {"--network", inside, "--network-alias", gate.slug});
  }
  std::optional<Owner> agent;
  for (const RenderedGate::IdentityFile& identity : gate.identities)
    if (identity.agent) {
      const std::string socket = environment::value(environment::kSshAuthSock);
      if (socket.empty())
        throw Error("the identity of " + identity.name + " requires an ssh agent",
                    {.hint = "start an agent, which sets SSH_AUTH_SOCK: eval $(ssh-agent); ssh-add"});
      agent = agent_owner(socket);
      container.options.insert(container.options.end(),
                               {"--volume", socket + ":" + gate.root() + "/agent", "--env",
                                "SSH_AUTH_SOCK=" + gate.root() + "/agent", "--user",
                                fmt::format("{}:{}", agent->uid, agent->gid)});
      break;
    }
  const std::vector<std::string> limits = confinement(request, gate, agent.has_value());
  container.options.insert(container.options.end(), limits.begin(), limits.end());
  const std::string base = request.name.empty() ? "gate-" + gate.slug : request.name;
  const std::string name = container::create_with_free_name(client, container, base);

  copy_files(client, name, request, gate, identities, agent);
  if (egress != "host") client.attach_network(egress, name, OnFailure::fatal);
  client.start(name, OnFailure::fatal);
  GateStatus running = wait_for(client, request, gate, name);
  undo.keep();
  return running;
}

std::vector<std::string> gate_down(const LaunchRequest& request) {
  const RenderedGate gate = load_rendered(request.rendered);
  return remove_owned(Client(request.program, request.note), request, gate, OnFailure::fatal);
}

std::optional<GateStatus> gate_status(const LaunchRequest& request) {
  const RenderedGate gate = load_rendered(request.rendered);
  const Client client(request.program, request.note);
  const std::vector<std::string> containers = owned(client, "container", request, gate);
  if (containers.empty()) return std::nullopt;
  return describe(client, request, gate, containers.front(), OnFailure::fatal);
}

}  // namespace bottle::gate
