// SPDX-License-Identifier: Apache-2.0
#include "run/chroot_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <system_error>

#include "run/descendants.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

constexpr mode_t kUmask = 022;  // as runtimes have it
constexpr int kLastCapability = 63;

void check(int result, const char* action) {
  if (result < 0) throw Error(fmt::format("{}: {}", action, std::generic_category().message(errno)));
}

int resource_of(const std::string& name) {
  static const std::map<std::string, int> kResources{
      {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
      {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
      {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
      {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
      {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
      {"stack", RLIMIT_STACK}};
  const auto found = kResources.find(name);
  if (found == kResources.end()) throw Error("unknown limit \"" + name + "\"");
  return found->second;
}

void set_limits(const Bundle& bundle) {
  for (const image::ResourceLimit& limit : bundle.limits) {
    const rlimit value{.rlim_cur = limit.soft < 0 ? RLIM_INFINITY : static_cast<rlim_t>(limit.soft),
                       .rlim_max = limit.hard < 0 ? RLIM_INFINITY : static_cast<rlim_t>(limit.hard)};
    if (::setrlimit(static_cast<__rlimit_resource_t>(resource_of(limit.name)), &value) != 0)
      throw Error(fmt::format("cannot set the limit {}={}:{}: {}", limit.name, limit.soft, limit.hard,
                              std::generic_category().message(errno)),
                  {.hint = "lower the limit, or add the capability to the container: docker run --cap-add "
                           "SYS_RESOURCE"});
  }
}

// Takes away what the set does not have from what a program that is executed may get.
void limit_bounding_set(std::uint64_t allowed) {
  for (int number = 0; number <= kLastCapability; ++number) {
    const int has = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
    if (has < 0) return;  // past the kernel's last one
    if (has == 1 && (allowed >> number & 1) == 0)
      check(::prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "cannot drop a capability");
  }
}

void limit_capabilities(std::uint64_t allowed) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  check(static_cast<int>(::syscall(SYS_capget, &header, data.data())), "cannot read the capabilities");
  for (std::size_t half = 0; half < data.size(); ++half) {
    const auto mask = static_cast<std::uint32_t>(allowed >> (32 * half));
    data[half].permitted &= mask;
    data[half].effective &= mask;
    data[half].inheritable = 0;
  }
  check(static_cast<int>(::syscall(SYS_capset, &header, data.data())), "cannot set the capabilities");
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

// The program in the changed root: as written if it has a '/', else in the PATH of its environment.
std::string find_command(const Bundle& bundle) {
  const std::string& name = bundle.arguments.front();
  if (name.find('/') != std::string::npos) return name;
  std::string path;
  for (const std::string& line : bundle.environment)
    if (line.starts_with("PATH=")) path = line.substr(5);
  for (const std::string_view directory : split(path, ':')) {
    const std::string file = std::string(directory.empty() ? "." : directory) + "/" + name;
    struct stat status {};
    if (::stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(file.c_str(), X_OK) == 0)
      return file;
  }
  throw Error(fmt::format("executable file \"{}\" not found in $PATH", name));
}

void close_all_but(int kept) {
  if (kept > 3) check(::close_range(3, static_cast<unsigned>(kept) - 1, 0), "cannot close descriptors");
  check(::close_range(static_cast<unsigned>(kept) + 1, ~0u, 0), "cannot close descriptors");
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts)
    result.push_back(const_cast<char*>(text.c_str()));  // execve(2) does not write to it
  result.push_back(nullptr);
  return result;
}

// Becomes the command. Returns only by an Error.
void become(const Bundle& bundle, int output, int failure) {
  if (!bundle.has_terminal) check(static_cast<int>(::setsid()), "cannot start a session");
  for (int number = 1; number < NSIG; ++number)
    ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (!bundle.has_terminal) {
    const Fd input(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!input) throw_errno("cannot open", "/dev/null");
    check(::dup2(input.get(), STDIN_FILENO), "cannot set standard input");
  }
  check(::dup2(output, STDOUT_FILENO), "cannot set standard output");
  check(::dup2(output, STDERR_FILENO), "cannot set standard error");
  close_all_but(failure);
  set_limits(bundle);
  ::umask(kUmask);
  if (::chroot(bundle.root.c_str()) != 0)
    throw_errno("cannot change the root directory to", bundle.root.native());
  if (::chdir(bundle.directory.c_str()) != 0) throw_errno("cannot change to the directory", bundle.directory);
  limit_bounding_set(bundle_capabilities());
  check(::setgroups(bundle.groups.size(), bundle.groups.data()), "cannot set the groups");
  check(::setresgid(bundle.gid, bundle.gid, bundle.gid), "cannot set the group");
  check(::setresuid(bundle.uid, bundle.uid, bundle.uid), "cannot set the user");
  limit_capabilities(bundle_capabilities());
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // changing the user has cleared it
  const std::string program = find_command(bundle);
  const std::vector<char*> arguments = pointers(bundle.arguments);
  const std::vector<char*> environment = pointers(bundle.environment);
  ::execve(program.c_str(), arguments.data(), environment.data());
  throw Error(fmt::format("cannot execute \"{}\": {}", program, std::generic_category().message(errno)));
}

// The child's text goes to the reader of `failure`, whose other ends close when a program is executed.
[[noreturn]] void be_command(const Bundle& bundle, int output, int failure, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  std::string text = "cannot execute the command";
  try {
    become(bundle, output, failure);
  } catch (const Error& error) {
    text = error.message();
  } catch (const std::exception& error) {
    text = error.what();
  }
  (void)!::write(failure, text.data(), text.size());
  ::_exit(127);
}

// Between the caller and the command: the parent of all that the command leaves running.
[[noreturn]] void be_keeper(const Bundle& bundle, int output, Pipe& failure, Pipe& ended, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  int status = 0;
  try {
    become_subreaper();
    const pid_t self = ::getpid();
    const pid_t command = ::fork();
    if (command < 0) throw_errno("cannot start a process", "fork");
    if (command == 0) be_command(bundle, output, failure.writer.get(), self);
    failure.writer.reset();
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, 0)) != command)
      if (pid < 0 && errno != EINTR) throw_errno("cannot wait for", "the command");
    end_descendants();
    write_all(ended.writer.get(), std::string_view(reinterpret_cast<const char*>(&status), sizeof status),
              "pipe");
  } catch (const Error& error) {
    const std::string text = error.message();
    (void)!::write(failure.writer.get(), text.data(), text.size());
    ::_exit(1);
  }
  ::_exit(0);
}

}  // namespace

RuntimeResult execute_in_chroot(const Bundle& bundle, int output) {
  Pipe failure = make_pipe();
  Pipe ended = make_pipe();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw_errno("cannot start a process", "fork");
  if (pid == 0) be_keeper(bundle, output, failure, ended, parent);
  Child keeper(pid, false);
  failure.writer.reset();
  ended.writer.reset();
  RuntimeResult result;
  drain(failure.reader.get(), [&](std::string_view text) { result.complaint += text; });
  std::string status_text;
  drain(ended.reader.get(), [&](std::string_view text) { status_text += text; });
  result.status = keeper.wait();
  int status = 0;
  if (status_text.size() == sizeof status) {
    std::memcpy(&status, status_text.data(), sizeof status);
    result.status = exit_status(status);
  } else if (result.complaint.empty()) {
    result.complaint = "the process that watches the command was killed";
  }
  return result;
}

}  // namespace bottle::run
