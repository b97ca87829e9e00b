#include "gate/launch.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <span>
#include <thread>

#include <fmt/format.h>

#include "image/engine/container_name.hpp"
#include "image/engine/docker_client.hpp"
#include "image/engine/drivers.hpp"
#include "oci/entry.hpp"
#include "oci/tar_writer.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

using image::DockerClient;
using image::DockerStatus;
using image::OnFailure;

constexpr std::uint64_t kLargestIdentity = 1u << 20;

struct Facts {
  std::string slug;
  std::string kind;
  std::uint16_t port = 0;
  std::vector<std::string> files;
  struct Identity {
    std::string name;
    std::string file;
    std::string secret;
    bool agent = false;
  };
  std::vector<Identity> identities;

  std::string etc() const { return "/etc/" + kind; }
  std::string root() const { return "/" + kind; }
  std::string scheme() const { return kind == "git-gate" ? "git" : "ssh"; }
};

Facts load_facts(const fs::path& rendered) {
  const fs::path file = rendered / "gate.json";
  const auto text = read_file_if_exists(file);
  if (!text)
    throw Error("expected a rendered gate, found no gate.json",
                {.where = rendered.native(), .hint = "bottle-gate render makes it"});
  const Json json = parse_json(*text, file.native());
  const JsonView view(json, file.native() + "#");
  Facts facts;
  facts.slug = view.at("slug").string();
  facts.kind = view.at("kind").string();
  facts.port = static_cast<std::uint16_t>(view.at("port").unsigned_number(65535));
  facts.files = view.at("files").strings();
  if (const auto upstreams = view.find("upstreams"))
    for (const JsonView& item : upstreams->elements()) {
      const JsonView identity = item.at("identity");
      facts.identities.push_back({item.at("name").string(), identity.string_or("file", ""),
                                  identity.string_or("secret", ""), identity.boolean_or("agent", false)});
    }
  return facts;
}

// Text that the container's command line or a filter takes as it is.
void check_slug(const std::string& slug) {
  for (const char c : slug)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-'))
      throw Error("expected a slug in gate.json, found \"" + slug + "\"");
}

std::string instance_of(const LaunchRequest& request) {
  return fs::weakly_canonical(fs::absolute(request.rendered)).native();
}

std::vector<std::string> labels(const LaunchRequest& request, const Facts& facts) {
  return {"--label", "bottle.gate=" + facts.slug, "--label", "bottle.gate.instance=" + instance_of(request)};
}

// Names of all of the gate's containers or networks.
std::vector<std::string> owned(const DockerClient& client, const char* kind, const LaunchRequest& request,
                               const Facts& facts) {
  std::vector<std::string> words{kind, "ls"};
  if (std::string_view(kind) == "container") words.push_back("--all");
  words.insert(words.end(), {"--filter", "label=bottle.gate=" + facts.slug, "--filter",
                             "label=bottle.gate.instance=" + instance_of(request), "--format",
                             std::string_view(kind) == "container" ? "{{.Names}}" : "{{.Name}}"});
  const DockerStatus status = client.command(words, std::string(kind) + " ls", OnFailure::fatal);
  std::vector<std::string> names;
  for (const std::string_view line : split(status.output, '\n'))
    if (!line.empty()) names.emplace_back(line);
  return names;
}

std::vector<std::string> remove_owned(const DockerClient& client, const LaunchRequest& request,
                                      const Facts& facts, OnFailure policy) {
  std::vector<std::string> removed;
  for (const std::string& name : owned(client, "container", request, facts))
    if (client.force_remove(name, policy).ok()) removed.push_back(name);
  for (const std::string& name : owned(client, "network", request, facts))
    if (client.command({"network", "rm", name}, "network rm " + name, policy).ok()) removed.push_back(name);
  return removed;
}

// Removes what was made unless told that all is well; also when a signal ends the tool.
class Undo {
 public:
  Undo(const DockerClient& client, const LaunchRequest& request, const Facts& facts)
      : client_(client), request_(request), facts_(facts) {}
  ~Undo() {
    if (done_) return;
    const Uninterrupted uninterrupted;
    try {
      remove_owned(client_, request_, facts_, OnFailure::best_effort);
    } catch (...) {  // the first failure is the one that is told; the next `up` or `down` finds the rest by
                     // its labels
    }
  }
  Undo(Undo&&) = delete;
  void keep() { done_ = true; }

 private:
  const DockerClient& client_;
  const LaunchRequest& request_;
  const Facts& facts_;
  bool done_ = false;
};

fs::path identity_file(const LaunchRequest& request, const Facts::Identity& identity) {
  if (!identity.secret.empty()) {
    if (request.secrets.empty())
      throw Error("the identity of " + identity.name + " is the secret \"" + identity.secret + "\"",
                  {.hint = "name the directory that holds secrets with --secrets"});
    return request.secrets / identity.secret;
  }
  if (identity.file.compare(0, 2, "~/") == 0) return request.home / identity.file.substr(2);
  return identity.file;
}

// The identities' contents, by upstream. All that is secret here is in this map, and goes from it into the
// container.
std::map<std::string, std::string> read_identities(const LaunchRequest& request, const Facts& facts) {
  std::map<std::string, std::string> contents;
  for (const Facts::Identity& identity : facts.identities) {
    if (identity.agent) continue;
    const fs::path file = identity_file(request, identity);
    const auto content = read_file_if_exists(file, kLargestIdentity);
    if (!content)
      throw Error("the identity of " + identity.name + " is not there",
                  {.where = file.native(), .hint = "it is read when the gate is launched"});
    contents[identity.name] = *content;
  }
  return contents;
}

struct Owner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// The container's file /etc/passwd.
std::string passwd_of(const DockerClient& client, const std::string& container) {
  const TemporaryDirectory directory;
  const fs::path passwd = directory.path() / "passwd";
  client.command({"cp", container + ":/etc/passwd", passwd.native()}, "cp " + container + ":/etc/passwd",
                 OnFailure::fatal);
  return read_file(passwd);
}

// The account that the container's programs run as: its image's USER, looked up in its own /etc/passwd.
Owner gate_user(const DockerClient& client, const std::string& container) {
  const std::string user = client
                               .command({"container", "inspect", "--format", "{{.Config.User}}", container},
                                        "container inspect " + container, OnFailure::fatal)
                               .output;
  const std::string name = user.substr(0, user.find(':'));
  if (name.empty() || name == "root") return {};
  const std::string text = passwd_of(client, container);
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4 || (fields[0] != name && fields[2] != name)) continue;
    const auto uid = parse_unsigned(fields[2]);
    const auto gid = parse_unsigned(fields[3]);
    if (uid && gid) return {static_cast<std::uint32_t>(*uid), static_cast<std::uint32_t>(*gid)};
  }
  throw Error("the image's user \"" + user + "\" is not in its /etc/passwd",
              {.where = "container " + container});
}

// An agent talks to its own account alone, so the gate's programs have to run as that one.
Owner agent_owner(const std::string& agent) {
  struct stat status {};
  if (::stat(agent.c_str(), &status) != 0) throw_errno("cannot look at the agent", agent);
  return {status.st_uid, status.st_gid};
}

// /etc/passwd with an entry for the account, without which ssh does not run; "" if it has one.
std::string passwd_with(std::string passwd, const Owner& owner, const std::string& home) {
  for (const std::string_view line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() > 2 && fields[2] == std::to_string(owner.uid)) return "";
  }
  if (!passwd.empty() && passwd.back() != '\n') passwd += '\n';
  return passwd + fmt::format("gate-{0}:x:{0}:{1}::{2}:/bin/sh\n", owner.uid, owner.gid, home);
}

// A tar of what goes into the container, with owners and permissions as they are to be there. `passwd` is
// given when the programs run as another account than the image's: what the image prepared becomes that
// account's, and a text that is not empty takes the place of /etc/passwd.
std::string files_tar(const LaunchRequest& request, const Facts& facts,
                      const std::map<std::string, std::string>& identities, const Owner& owner,
                      const std::optional<std::string>& passwd) {
  std::string tar;
  const auto add_directory = [&](const std::string& path, std::uint16_t mode) {
    oci::Entry entry;
    entry.path = path.substr(1);
    entry.type = oci::EntryType::directory;
    entry.mode = mode;
    entry.uid = owner.uid;
    entry.gid = owner.gid;
    oci::append_tar_header(tar, entry, oci::TarStyle::layer);
  };
  const auto add = [&](const std::string& path, const std::string& content, std::uint16_t mode,
                       const Owner& of) {
    oci::Entry entry;
    entry.path = path.substr(1);
    entry.mode = mode;
    entry.uid = of.uid;
    entry.gid = of.gid;
    entry.size = content.size();
    oci::append_tar_header(tar, entry, oci::TarStyle::layer);
    tar += content;
    tar += oci::tar_padding(content.size());
  };
  if (passwd) {
    add_directory(facts.root(), 0755);
    for (const char* below : {"/repositories", "/tmp", "/home"})
      add_directory(facts.root() + below, 0755);
    add_directory(facts.root() + "/creds", 0700);
    if (!passwd->empty()) add("/etc/passwd", *passwd, 0644, {});
  }
  for (const std::string& name : facts.files) {
    if (!oci::is_entry_path(name) || name.find('/') != std::string::npos)
      throw Error("expected file names in gate.json, found \"" + name + "\"");
    struct stat status {};
    if (::stat((request.rendered / name).c_str(), &status) != 0)
      throw_errno("cannot look at", (request.rendered / name).native());
    add(facts.etc() + "/" + name, read_file(request.rendered / name),
        (status.st_mode & S_IXUSR) != 0 ? 0755 : 0644, {});
  }
  for (const auto& [name, content] : identities)
    add(facts.root() + "/creds/" + name, content, 0400, owner);
  tar += oci::tar_end();
  return tar;
}

void copy_files(const DockerClient& client, const std::string& container, const std::string& tar) {
  const Finished finished = image::run_fed(
      {client.program(), "cp", "-", container + ":/"},
      [&](const oci::Sink& sink) { sink(std::as_bytes(std::span<const char>(tar.data(), tar.size()))); });
  if (!finished.status.success())
    throw Error("the gate's files could not be copied: " + image::last_line(finished.output),
                {.where = "container " + container});
}

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
std::string network_name(const LaunchRequest& request, const Facts& facts, const char* side) {
  return fmt::format("gate-{}-{}-{}", facts.slug, sha256(instance_of(request)).hex().substr(0, 8), side);
}

std::string make_network(const DockerClient& client, const LaunchRequest& request, const Facts& facts,
                         const char* side, const std::vector<std::string>& options) {
  std::string name = network_name(request, facts, side);
  std::vector<std::string> words{"network", "create"};
  for (const auto& more : {labels(request, facts), options})
    words.insert(words.end(), more.begin(), more.end());
  words.push_back(name);
  client.command(words, "network create " + name, OnFailure::fatal);
  return name;
}

Running describe(const DockerClient& client, const LaunchRequest& request, const Facts& facts,
                 const std::string& container, OnFailure policy) {
  Running running;
  running.container = container;
  const DockerStatus status = client.command(
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
    running.network = network_name(request, facts, "inside");
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
                                [&](const std::string& each) { return answers(each, facts.port); });
  if (!address.empty()) running.address = fmt::format("{}://{}:{}", facts.scheme(), address, facts.port);
  return running;
}

Running wait_for(const DockerClient& client, const LaunchRequest& request, const Facts& facts,
                 const std::string& container) {
  const auto end = std::chrono::steady_clock::now() + request.timeout;
  for (;;) {
    check_interrupted();
    Running running = describe(client, request, facts, container, OnFailure::fatal);
    if (running.answers) return running;
    const bool ended = running.state != "running";
    if (ended || std::chrono::steady_clock::now() > end) {
      // What a container writes to its standard error comes on that of the client.
      const std::string said = image::last_line(
          bottle::run({.arguments = {client.program(), "logs", "--tail", "5", container}}).output);
      throw Error(ended
                      ? fmt::format("the gate ended instead of answering{}{}", said.empty() ? "" : ": ", said)
                      : fmt::format("the gate did not answer within {} s", request.timeout.count()),
                  {.where = "container " + container});
    }
    std::this_thread::sleep_for(
        std::chrono::milliseconds(100));  // nobody tells when a port of a container is open
  }
}

}  // namespace

std::string Running::json() const {
  return OrderedJson{{"container", container},
                     {"address", address},
                     {"network", network},
                     {"state", state},
                     {"answers", answers}}
             .dump(2) +
         "\n";
}

std::string slug_of(const fs::path& rendered) {
  const Facts facts = load_facts(rendered);
  check_slug(facts.slug);
  return facts.slug;
}

Running gate_up(const LaunchRequest& request) {
  const Facts facts = load_facts(request.rendered);
  check_slug(facts.slug);
  const DockerClient client(request.program, request.note);
  if (auto running = gate_status(request); running && running->answers) return *running;
  const std::map<std::string, std::string> identities = read_identities(request, facts);
  if (!client.image_id(request.image, OnFailure::fatal))
    throw Error("there is no image " + request.image,
                {.where = request.program,
                 .hint = "bottle-image load, or the target bottle-" + facts.slug + "-load, puts it there"});
  remove_owned(client, request, facts, OnFailure::fatal);

  Undo undo(client, request, facts);
  image::NewContainer container;
  container.image = request.image;
  container.options = labels(request, facts);
  std::string egress = request.egress;
  if (egress == "host") {
    container.options.insert(container.options.end(), {"--network", "host"});
  } else {
    if (egress.empty()) egress = make_network(client, request, facts, "outside", {});
    const std::string inside = make_network(client, request, facts, "inside", {"--internal"});
    container.options.insert(container.options.end(), {"--network", inside, "--network-alias", facts.slug});
  }
  container.options.insert(container.options.end(), {"--security-opt", "no-new-privileges"});
  std::optional<Owner> owner;
  for (const Facts::Identity& identity : facts.identities)
    if (identity.agent) {
      const char* agent = std::getenv("SSH_AUTH_SOCK");
      if (agent == nullptr || *agent == '\0')
        throw Error("the identity of " + identity.name + " is an agent's, and there is none",
                    {.hint = "set SSH_AUTH_SOCK"});
      owner = agent_owner(agent);
      container.options.insert(container.options.end(),
                               {"--volume", std::string(agent) + ":" + facts.root() + "/agent", "--env",
                                "SSH_AUTH_SOCK=" + facts.root() + "/agent", "--user",
                                fmt::format("{}:{}", owner->uid, owner->gid)});
      break;
    }
  const std::string base = request.name.empty() ? "gate-" + facts.slug : request.name;
  const std::string name = image::create_with_free_name(client, container, base);

  std::optional<std::string> passwd;
  if (owner)
    passwd = passwd_with(passwd_of(client, name), *owner, facts.root() + "/home");
  else
    owner = gate_user(client, name);
  copy_files(client, name, files_tar(request, facts, identities, *owner, passwd));
  if (egress != "host") client.attach_network(egress, name, OnFailure::fatal);
  client.start(name, OnFailure::fatal);
  Running running = wait_for(client, request, facts, name);
  undo.keep();
  return running;
}

std::vector<std::string> gate_down(const LaunchRequest& request) {
  const Facts facts = load_facts(request.rendered);
  check_slug(facts.slug);
  return remove_owned(DockerClient(request.program, request.note), request, facts, OnFailure::fatal);
}

std::optional<Running> gate_status(const LaunchRequest& request) {
  const Facts facts = load_facts(request.rendered);
  check_slug(facts.slug);
  const DockerClient client(request.program, request.note);
  const std::vector<std::string> containers = owned(client, "container", request, facts);
  if (containers.empty()) return std::nullopt;
  return describe(client, request, facts, containers.front(), OnFailure::fatal);
}

}  // namespace bottle::gate
