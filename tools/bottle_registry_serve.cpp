// SPDX-License-Identifier: Apache-2.0
#include "bottle_registry_serve.hpp"

#include "registry/loopback.hpp"
#include "registry/server/hosts.hpp"
#include "registry/server/server.hpp"
#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/text.hpp"
#include "util/tool_main.hpp"

#include <fmt/format.h>

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace bottle {
namespace {

using registry::Server;
using registry::ServerOptions;
using registry::ServerSource;
using Clock = std::chrono::steady_clock;

constexpr auto kExpiryInterval = std::chrono::minutes(10);
constexpr auto kLook = std::chrono::milliseconds(100);  // for the last client

// Signals arrive only inside wait(), so that none is lost between a look and the wait after it.
class SignalGate {
 public:
  SignalGate() {
    sigset_t ours;
    ::sigemptyset(&ours);
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
      ::sigaddset(&ours, number);
    ::pthread_sigmask(SIG_BLOCK, &ours, &before_);
  }
  ~SignalGate() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalGate(const SignalGate&) = delete;
  SignalGate& operator=(const SignalGate&) = delete;

  // Until the descriptor (-1 for none) is readable (true), a signal came, or the time is over.
  bool wait(int descriptor, std::chrono::milliseconds time) const {
    pollfd watched{descriptor, POLLIN, 0};
    const timespec limit{static_cast<time_t>(time.count() / 1000),
                         static_cast<long>(time.count() % 1000 * 1000000)};
    return ::ppoll(&watched, 1, &limit, &before_) > 0;
  }

 private:
  sigset_t before_{};
};

// A process that is there no more makes the descriptor readable. nullopt: it is gone already.
std::optional<Fd> watch_process(pid_t process) {
  Fd descriptor(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (descriptor) return descriptor;
  if (errno == ESRCH) return std::nullopt;
  throw_errno("cannot watch the process", std::to_string(process));
}

// The file that tells the port; gone when the server is.
class PortFile {
 public:
  PortFile(fs::path path, std::uint16_t port) : path_(std::move(path)) {
    if (!path_.empty()) write_file(path_, std::to_string(port) + "\n", Durable::no);
  }
  ~PortFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  PortFile(const PortFile&) = delete;
  PortFile& operator=(const PortFile&) = delete;

 private:
  fs::path path_;
};

// "127.0.0.1", "127.0.0.1:5000", "::1", "[::1]:5000", ":5000"
void parse_listen(const std::string& text, ServerOptions& options) {
  std::string host = text;
  std::string port;
  if (text.starts_with("[")) {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) throw UsageError("--listen: expected \"]\" in \"" + text + "\"");
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':')
      throw UsageError("--listen: expected \":\" and a port after \"]\", found \"" + port + "\"");
    if (!port.empty()) port.erase(0, 1);
  } else if (text.find(':') != std::string::npos && text.find(':') == text.rfind(':')) {
    host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
  }
  if (!host.empty()) options.listen = host;
  if (port.empty()) return;
  const auto number = parse_unsigned(port);
  if (!number || *number > 65535)
    throw UsageError("--listen: expected a port from 0 to 65535, found \"" + port + "\"");
  options.port = static_cast<std::uint16_t>(*number);
}

// The first line without blanks at its end. Nothing of the file gets into a message.
std::string read_token(const std::string& file) {
  constexpr std::uint64_t kMaximumToken = 64u << 10;
  std::string text = read_file(file, kMaximumToken);
  text.resize(std::min(text.find('\n'), text.size()));
  while (text.ends_with('\r') || text.ends_with(' ') || text.ends_with('\t'))
    text.pop_back();
  const bool good = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (text.empty() || !good)
    throw Error("expected a token of printable ASCII characters without blanks in the first line",
                {.where = file, .hint = "create a token: `head -c 32 /dev/urandom | base64 > " + file + "`"});
  return text;
}

// A host without port as --allow-host takes it.
std::string check_host(const std::string& name) {
  if (name.find(':') != std::string::npos ? !registry::is_host_field("[" + name + "]")
                                          : !registry::is_host_field(name))
    throw UsageError("--allow-host: expected a host name or an IP address without a port, found \"" + name +
                     '"');
  return name;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

}  // namespace

struct ServeCommand::Options {
  Subcommand app;
  const CommonOptions* common = nullptr;
  std::string root;
  std::string layout;
  std::string store;
  Option store_option;
  std::string listen = "127.0.0.1";
  std::string port_file;
  std::string token;
  Option token_option;
  std::string token_file;
  std::vector<std::string> hosts;
  bool read_only = false;
  bool log = false;
  std::string parent;
  Option parent_option;
  std::string grace;
  Option last_client_option;
  registry::ServerLimits limits;
};

ServeCommand::ServeCommand(Subcommand app, const CommonOptions& common)
    : options_(std::make_unique<Options>()) {
  Options& options = *options_;
  options.common = &common;
  options.app = app.add_subcommand(
      "serve", "Serve images on this machine as a registry (OCI distribution 1.1) until a signal ends it.");
  options.app.when_chosen([&options] {
    Subcommand serve = options.app;
    Option root =
        serve
            .add_option("--root", options.root,
                        "Serve DIR with one OCI layout for each repository; create it if it is missing")
            .type_name("DIR");
    root.type_name("DIR");
    Option layout =
        serve
            .add_option("--layout", options.layout, "Serve the OCI layout in DIR under every repository name")
            .type_name("DIR");
    layout.type_name("DIR").excludes(root);
    options.store_option =
        serve
            .add_option(
                "--store", options.store,
                "Serve the blobs of the store in DIR by digest, read-only (default: the user's store)")
            .type_name("DIR");
    options.store_option.type_name("DIR").with_optional_value().excludes(root).excludes(layout);
    serve.group_options("Content");
    serve.add_option("--listen", options.listen, "Listen on ADDR (default: loopback, a free port)")
        .type_name("ADDR[:PORT]");
    serve.add_option("--port-file", options.port_file, "Write the port to FILE, and remove it at the end")
        .type_name("FILE");
    serve.group_options("Address");
    options.token_option =
        serve
            .add_option(
                "--token", options.token,
                "Require TOKEN as bearer token or password; without a value a random one, printed on stdout")
            .type_name("TOKEN");
    options.token_option.type_name("TOKEN").with_optional_value();
    serve
        .add_option("--token-file", options.token_file,
                    "Require the token in the first line of FILE, which process lists do not show")
        .type_name("FILE")
        .excludes(options.token_option);
    serve
        .add_option("--allow-host", options.hosts,
                    "Accept requests for the host NAME too (default: loopback and the listening address)")
        .type_name("NAME");
    serve.add_flag("--read-only", options.read_only, "Reject pushes and deletes");
    serve.group_options("Access");
    options.parent_option = serve
                                .add_option("--exit-with-parent", options.parent,
                                            "Exit when the process PID exits (default: the parent process)")
                                .type_name("PID");
    options.parent_option.type_name("PID").with_optional_value();
    options.last_client_option =
        serve
            .add_option("--exit-after-last-client", options.grace,
                        "Exit when no client has been connected for TIME (default: 1s)")
            .type_name("TIME");
    options.last_client_option.type_name("TIME").with_optional_value();
    serve.add_flag("--log", options.log, "Print a line to stderr for each request");
    serve
        .add_option("--max-connections", options.limits.connections,
                    "Serve at most N clients at once; others wait (default: 512)")
        .type_name("N")
        .within(2u, 100000u);
    serve
        .add_option("--idle-timeout", options.limits.idle_seconds,
                    "Close a connection after SECONDS without a byte (default: 60)")
        .type_name("SECONDS")
        .within(1u, 86400u);
    serve.group_options("Process and limits");
    serve.footer(
        "Without --root, --layout and --store it serves a temporary directory.\nPrints one line of JSON when "
        "it is ready: url, address, port, pid and, with --token, token.\nExample: bottle-registry serve "
        "--root registry --listen 127.0.0.1:5000 --log");
  });
}

ServeCommand::~ServeCommand() = default;

bool ServeCommand::parsed() const {
  return options_->app.parsed();
}

int ServeCommand::run() {
  Options& command = *options_;
  // Before anything that takes time: a parent that is gone now may have gone since we began.
  std::optional<Fd> parent;
  if (command.parent_option.given()) {
    const pid_t ours = ::getppid();
    pid_t wanted = ours;
    if (!command.parent.empty()) {
      const auto number = parse_unsigned(command.parent);
      if (!number || *number == 0 || *number > INT32_MAX)
        throw UsageError("--exit-with-parent: expected a process id, found \"" + command.parent + "\"");
      wanted = static_cast<pid_t>(*number);
    }
    parent = watch_process(wanted);
    // The id of a process that has gone may be another's by now; ours cannot change that way unseen.
    if (!parent || (wanted == ours && ::getppid() != ours)) return kSuccess;
  }
  std::optional<std::chrono::milliseconds> grace;
  if (command.last_client_option.given()) {
    const auto seconds =
        command.grace.empty() ? std::optional<std::uint64_t>(1) : parse_duration(command.grace);
    if (!seconds)
      throw UsageError("--exit-after-last-client: expected a length of time such as 5s, found \"" +
                       command.grace + "\"");
    grace = std::chrono::seconds(*seconds);
  }

  ServerOptions options;
  options.limits = command.limits;
  options.read_only = command.read_only;
  parse_listen(command.listen, options);
  if (command.token_option.given())
    options.token = command.token.empty() ? registry::random_token() : command.token;
  if (!command.token_file.empty()) options.token = read_token(command.token_file);
  for (const std::string& name : command.hosts)
    options.hosts.push_back(check_host(name));
  std::optional<TemporaryDirectory> temporary;
  if (!command.layout.empty()) {
    options.source = {ServerSource::Kind::layout, fs::absolute(command.layout)};
  } else if (command.store_option.given()) {
    options.source = {ServerSource::Kind::store, command.store};
  } else if (!command.root.empty()) {
    options.source = {ServerSource::Kind::root, fs::absolute(command.root)};
  } else {
    temporary.emplace();
    options.source = {ServerSource::Kind::root, temporary->path()};
    options.durable = Durable::no;
  }
  std::mutex printing;
  const bool log = command.log;
  options.on_request = [&printing, log](const registry::RequestRecord& record) {
    if (!log && record.error.empty()) return;
    const std::lock_guard guard(printing);
    if (!record.error.empty()) fmt::print(stderr, "bottle-registry: error: {}\n", record.error);
    if (log)
      fmt::print(stderr, "{} {} {} in={} out={} us={}\n", record.method, escape_word(record.target),
                 record.status, record.bytes_in, record.bytes_out, record.time.count());
  };
  if (!command.common->quiet && options.token.empty() && !is_loopback(options.listen))
    fmt::print(
        stderr,
        "bottle-registry: warning: anyone who can reach {} can use this registry; require a token with "
        "--token-file\n",
        options.listen);

  const SignalGate gate;
  Server server(options);
  const PortFile port_file(command.port_file, server.port());
  OrderedJson ready = {
      {"url", server.url()}, {"address", server.address()}, {"port", server.port()}, {"pid", ::getpid()}};
  if (!options.token.empty() && command.token_file.empty()) ready["token"] = options.token;
  fmt::print("{}\n", ready.dump());
  if (std::fflush(stdout) != 0) throw_errno("cannot write", "standard output");

  auto last_seen = Clock::now();
  auto expiry = Clock::now() + kExpiryInterval;
  std::uint64_t ever = 0;
  while (true) {
    const bool parent_gone =
        gate.wait(parent ? parent->get() : -1, grace ? kLook : std::chrono::milliseconds(60000));
    try {
      check_interrupted();
    } catch (const Interrupted&) {
      break;  // the ordinary end
    }
    if (parent_gone) break;
    const auto now = Clock::now();
    if (grace) {
      const registry::ServerCounts counts = server.counts();
      if (counts.connections > 0 || counts.connections_ever != ever) last_seen = now;
      ever = counts.connections_ever;
      if (ever > 0 && now - last_seen >= *grace) break;
    }
    if (now >= expiry) {
      server.expire_uploads();
      expiry = now + kExpiryInterval;
    }
  }
  server.stop();
  return kSuccess;
}

}  // namespace bottle
