// SPDX-License-Identifier: Apache-2.0
#include "run/confinement.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <new>
#include <system_error>
#include <vector>

#include "oci/damage.hpp"
#include "run/descendants.hpp"
#include "run/message.hpp"
#include "util/account.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

struct Range {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

// The ranges that a file such as /etc/subuid gives a user, by name or number (subuid(5)).
std::vector<Range> subordinate_ranges(const char* file, const std::string& name, const std::string& number) {
  std::vector<Range> ranges;
  const auto text = read_file_if_exists(file);
  if (!text) return ranges;
  for (const std::string_view line : split(*text, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() != 3 || (fields[0] != name && fields[0] != number)) continue;
    const auto first = parse_unsigned(fields[1]);
    const auto count = parse_unsigned(fields[2]);
    if (first && count && *count > 0) ranges.push_back({*first, *count});
  }
  return ranges;
}

std::string user_name() {
  const auto account = user_account();
  return account ? account->name : "";
}

std::vector<Range> user_ranges() {
  return subordinate_ranges("/etc/subuid", user_name(), std::to_string(::getuid()));
}
std::vector<Range> group_ranges() {
  return subordinate_ranges("/etc/subgid", user_name(), std::to_string(::getuid()));
}

// Id 0 inside is the caller, the subordinate ones follow from 1.
void map_by_helper(const char* program, pid_t pid, unsigned own, const std::vector<Range>& ranges) {
  Command command{.arguments = {program, std::to_string(pid), "0", std::to_string(own), "1"},
                  .environment = {},
                  .directory = {}};
  std::uint64_t next = 1;
  for (const Range& range : ranges) {
    for (const std::uint64_t number : {next, range.first, range.count})
      command.arguments.push_back(std::to_string(number));
    next += range.count;
  }
  const ProcessResult finished = run_program(command);
  if (finished.status.success()) return;
  throw Error(fmt::format("{} failed with {}: {}", program, finished.status.text(), finished.output),
              {.hint = "check the lines of this user in /etc/subuid and /etc/subgid, or remove them to build "
                       "without subordinate ids"});
}

// All ids that this process's namespace has, each mapped to itself. A line of a map is "<first inside> <first
// outside> <count>".
std::string own_ids(const char* map) {
  std::string text;
  const std::string lines = read_file(map);
  for (const std::string_view line : split(lines, '\n')) {
    std::vector<std::string_view> fields = split(line, ' ');
    std::erase(fields, std::string_view());
    const auto count = fields.size() == 3 ? parse_unsigned(fields[2]) : std::nullopt;
    const auto first = count ? parse_unsigned(fields[0]) : std::nullopt;
    if (!first) continue;
    // In two parts: runtimes take a map of all ids in one for that of the machine itself, where they may make
    // devices.
    text += fmt::format("{0} {0} 1\n", *first);
    if (*count > 1) text += fmt::format("{0} {0} {1}\n", *first + 1, *count - 1);
  }
  return text;
}

void map_ids(IdMapping id_mapping, pid_t pid) {
  if (id_mapping == IdMapping::subordinate) {
    map_by_helper("newuidmap", pid, ::getuid(), user_ranges());
    map_by_helper("newgidmap", pid, ::getgid(), group_ranges());
    return;
  }
  const fs::path process = fs::path("/proc") / std::to_string(pid);
  const auto put = [&](const char* name, const std::string& text) {
    const fs::path path = process / name;
    const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) throw_errno("cannot open", path.native());
    write_all(file.get(), text, path.native());
  };
  if (id_mapping == IdMapping::identity) {
    put("uid_map", own_ids("/proc/self/uid_map"));
    put("gid_map", own_ids("/proc/self/gid_map"));
    return;
  }
  put("setgroups", "deny");
  put("uid_map", fmt::format("0 {} 1\n", ::getuid()));
  put("gid_map", fmt::format("0 {} 1\n", ::getgid()));
}

void send_byte(int descriptor) {
  write_all(descriptor, "+", "pipe");
}
bool receive_byte(int descriptor) {
  std::array<std::byte, 1> byte{};
  return read_some(descriptor, byte, "pipe") == 1;
}

constexpr std::string_view kResult = "result";  // and the text
constexpr std::string_view kError = "error";    // and message, place, hint, the number of an oci::Damage

std::string error_text(const Error& error) {
  const auto* damage = dynamic_cast<const oci::DamageError*>(&error);
  return message({kError, error.message(), error.where(), error.hint(),
                  damage == nullptr ? "" : std::to_string(static_cast<int>(damage->damage()))});
}

std::string result_text(const std::function<std::string(int)>& body, int output) {
  try {
    return message({kResult, body(output)});
  } catch (const Error& error) {
    return error_text(error);
  } catch (const Interrupted&) {
    return error_text(Error("interrupted"));
  } catch (const std::bad_alloc&) {
    return error_text(Error("out of memory"));
  } catch (const std::exception& error) {
    return error_text(Error(error.what()));
  }
}

std::string taken_result(const std::string& text) {
  if (text.empty())
    throw Error("the process that executes the instruction was killed",
                {.hint = "check the kernel's log (dmesg) for lack of memory"});
  const auto fields = message_fields(text);
  if (fields && fields->size() == 2 && fields->front() == kResult) return std::string(fields->back());
  if (!fields || fields->size() != 5 || fields->front() != kError)
    throw Error("the process that executes the instruction exited without a complete result");
  const std::string what(fields->at(1));
  const ErrorPlace place{.where = std::string(fields->at(2)), .hint = std::string(fields->at(3))};
  for (const oci::Damage damage : {oci::Damage::plan, oci::Damage::blob, oci::Damage::file})
    if (fields->at(4) == std::to_string(static_cast<int>(damage)))
      throw oci::DamageError(damage, what, place);
  throw Error(what, place);
}

void mount_or_throw(const char* source, const char* target, const char* type, unsigned long flags) {
  if (::mount(source, target, type, flags, nullptr) != 0) throw_errno("cannot mount", target);
}

// The parent's number cannot be asked for across the border of a process namespace, so a pipe whose other end
// it alone holds says whether it was gone before this was asked.
void die_with(int parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pollfd wait{parent, POLLIN, 0};
  if (::poll(&wait, 1, 0) != 0) ::_exit(1);
}

// A /proc of this process namespace. The kernel refuses it to a user namespace where parts of the one that is
// there are hidden, as in containers. /proc/self is right in that one too, so it stays.
void mount_proc() {
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (::mount("proc", "/proc", "proc", kFlags, nullptr) != 0 && errno != EPERM)
    throw_errno("cannot mount", "/proc");
}

// The first process of the namespaces: when it ends, the kernel ends all others. Without namespaces the
// process above it does.
[[noreturn]] void be_first(Boundary boundary, const std::function<std::string(int)>& body, int output,
                           int result) {
  const std::string text = result_text(
      [&](int descriptor) {
        if (boundary == Boundary::namespaces) {
          mount_or_throw(nullptr, "/", nullptr, MS_REC | MS_PRIVATE);
          mount_proc();
        }
        return body(descriptor);
      },
      output);
  try {
    write_all(result, text, "pipe");
  } catch (const Error&) {
    ::_exit(1);
  }
  ::_exit(0);
}

struct Ends {
  Pipe output = make_pipe();
  Pipe result = make_pipe();
  Pipe ready = make_pipe();  // the child has its user namespace
  Pipe go = make_pipe();     // its ids are mapped
};

void enter(IdMapping id_mapping, const Ends& ends) {
  const auto unshare_or_throw = [](int flags, const char* what) {
    if (::unshare(flags) == 0) return;
    const int error = errno;
    throw Error(fmt::format("cannot create {}: {}", what, std::generic_category().message(error)),
                {.hint = "allow namespaces for this user (sysctl kernel.unprivileged_userns_clone, "
                         "user.max_user_namespaces), or use bottle-image build --isolation auto"});
  };
  if (id_mapping != IdMapping::root) {
    unshare_or_throw(CLONE_NEWUSER, "a user namespace");
    send_byte(ends.ready.writer.get());
    if (!receive_byte(ends.go.reader.get())) ::_exit(1);
    if (id_mapping != IdMapping::single && ::setgroups(0, nullptr) != 0) throw_errno("setgroups", "");
    if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) throw_errno("cannot become user 0", "");
  }
  unshare_or_throw(CLONE_NEWNS | CLONE_NEWPID, "mount and process namespaces");
}

// Waits for the first process, which has ended when all others in its namespace have. A request to stop kills
// it. Without namespaces nothing ends with it, so all are ended one by one.
void wait_for_first(Boundary boundary, pid_t first, const sigset_t& signals) {
  for (;;) {
    siginfo_t what{};
    const int number = ::sigwaitinfo(&signals, &what);
    if (number == SIGTERM) {
      if (boundary == Boundary::none) break;
      ::kill(first, SIGKILL);
    }
    int status = 0;
    if (::waitpid(first, &status, WNOHANG) == first) break;
  }
  if (boundary == Boundary::none) end_descendants();
}

// The process between: in the caller's process namespace, so that a new one can begin below it. Without
// namespaces it outlives the caller for as long as it takes to end everything below.
[[noreturn]] void be_between(Confinement confinement, Terminal terminal,
                             const std::function<std::string(int)>& body, Ends& ends, pid_t parent) {
  const bool has_namespaces = confinement.boundary == Boundary::namespaces;
  const int end = has_namespaces ? SIGKILL : SIGTERM;
  if (terminal == Terminal::none) ::setpgid(0, 0);
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP})
    ::signal(signal_number, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, end);
  if (::getppid() != parent) ::_exit(1);
  ends.go.writer.reset();
  try {
    if (has_namespaces)
      enter(confinement.id_mapping, ends);
    else
      become_subreaper();
    sigset_t signals;
    sigset_t before;
    ::sigemptyset(&signals);
    for (const int signal_number : {SIGTERM, SIGCHLD})
      ::sigaddset(&signals, signal_number);
    ::pthread_sigmask(SIG_BLOCK, &signals, &before);
    // Changing the user clears it.
    ::prctl(PR_SET_PDEATHSIG, end);
    if (::getppid() != parent) ::_exit(1);
    Pipe alive = make_pipe();
    const pid_t first = ::fork();
    if (first < 0) throw_errno("cannot start a process", "fork");
    if (first == 0) {
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      alive.writer.reset();
      die_with(alive.reader.get());
      be_first(confinement.boundary, body, ends.output.writer.get(), ends.result.writer.get());
    }
    for (Pipe* pipe : {&ends.output, &ends.result, &ends.ready})
      pipe->writer.reset();
    wait_for_first(confinement.boundary, first, signals);
    ::_exit(0);
  } catch (const Error& error) {
    try {
      write_all(ends.result.writer.get(), error_text(error), "pipe");
    } catch (const Error&) {
    }
    ::_exit(1);
  }
}

}  // namespace

const char* to_string(IdMapping id_mapping) {
  switch (id_mapping) {
    case IdMapping::root:
      return "root";
    case IdMapping::identity:
      return "identity";
    case IdMapping::subordinate:
      return "subordinate";
    case IdMapping::single:
      return "single";
  }
  return "";
}

IdMapping available_id_mapping() {
  if (::geteuid() == 0) return IdMapping::root;
  // Programs with more rights than their caller, as newuidmap, have none where that is forbidden (prctl(2)).
  if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return IdMapping::single;
  // Writing a map of another user's ids needs this one (Linux, kernel/user_namespace.c, map_write()), which
  // containers do not leave to newuidmap.
  if (::prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 1) return IdMapping::single;
  if (user_ranges().empty() || group_ranges().empty() || !find_program("newuidmap") ||
      !find_program("newgidmap"))
    return IdMapping::single;
  return IdMapping::subordinate;
}

ConfinedProcess::ConfinedProcess(Confinement confinement, Terminal terminal,
                                 const std::function<std::string(int)>& body,
                                 std::function<void(std::string_view)> on_output)
    : on_output_(std::move(on_output)) {
  Ends ends;
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw_errno("cannot start a process", "fork");
  if (pid_ == 0) be_between(confinement, terminal, body, ends, parent);
  if (terminal == Terminal::none) ::setpgid(pid_, pid_);
  for (Pipe* pipe : {&ends.output, &ends.result, &ends.ready})
    pipe->writer.reset();
  ends.go.reader.reset();
  // Without a byte the child has ended, and its result says why.
  try {
    const bool has_map =
        confinement.boundary == Boundary::namespaces && confinement.id_mapping != IdMapping::root;
    if (has_map && receive_byte(ends.ready.reader.get())) {
      map_ids(confinement.id_mapping, pid_);
      send_byte(ends.go.writer.get());
    }
  } catch (...) {
    reap();
    throw;
  }
  output_ = std::move(ends.output.reader);
  result_ = std::move(ends.result.reader);
}

ConfinedProcess::~ConfinedProcess() {
  reap();
}

void ConfinedProcess::reap() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
    ;
  pid_ = -1;
}

void ConfinedProcess::take(Fd& descriptor, bool is_output) {
  std::array<char, 16u << 10> buffer;
  const ssize_t count = ::read(descriptor.get(), buffer.data(), buffer.size());
  if (count < 0 && errno == EINTR) return;
  if (count < 0) throw_errno("cannot read", "pipe");
  const std::string_view text(buffer.data(), static_cast<std::size_t>(count));
  if (count == 0)
    descriptor.reset();
  else if (is_output)
    on_output_(text);
  else
    text_ += text;
}

void ConfinedProcess::wait(const std::vector<ConfinedProcess*>& children, int timeout_milliseconds) {
  std::vector<pollfd> waits;
  for (const ConfinedProcess* child : children)
    for (const Fd* descriptor : {&child->output_, &child->result_})
      waits.push_back({descriptor->get(), POLLIN, 0});  // -1 is passed over
  waits.push_back({interrupt_descriptor(), POLLIN, 0});
  check_interrupted();
  if (::poll(waits.data(), waits.size(), timeout_milliseconds) < 0) {
    if (errno != EINTR) throw_errno("cannot wait for output", "poll");
    check_interrupted();
    return;
  }
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (waits[2 * i].revents != 0) children[i]->take(children[i]->output_, true);
    if (waits[2 * i + 1].revents != 0) children[i]->take(children[i]->result_, false);
  }
}

std::string ConfinedProcess::result() {
  int status = 0;
  while (pid_ >= 0 && ::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
    ;
  pid_ = -1;
  return taken_result(text_);
}

std::string run_confined(Confinement confinement, Terminal terminal,
                         const std::function<std::string(int)>& body,
                         const std::function<void(std::string_view)>& on_output) {
  ConfinedProcess child(confinement, terminal, body, on_output);
  while (!child.finished())
    ConfinedProcess::wait({&child});
  return child.result();
}

}  // namespace bottle::run
