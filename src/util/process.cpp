// SPDX-License-Identifier: Apache-2.0
#include "util/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts)
    result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Between fork and exec: only what is safe in a process that was forked from one with threads.
[[noreturn]] void become(const Command& command, const char* program, char* const* arguments,
                         char* const* environment, pid_t parent, int input, int failure) {
  const auto give_up = [&] {
    const int error = errno;
    (void)!::write(failure, &error, sizeof error);
    ::_exit(127);
  };
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before it could take the child with it
  if (command.own_group) ::setpgid(0, 0);
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
    ::signal(signal_number, SIG_DFL);
  const int output = command.output >= 0 ? command.output : STDERR_FILENO;
  const int error = command.error >= 0 ? command.error : output;
  if (::dup2(input, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
      ::dup2(error, STDERR_FILENO) < 0)
    give_up();
  if (command.largest_file) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_FSIZE, &limit) != 0) give_up();
    limit.rlim_cur = std::min<rlim_t>(*command.largest_file, limit.rlim_max);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) give_up();
  }
  if (!command.directory.empty() && ::chdir(command.directory.c_str()) != 0) give_up();
  ::execve(program, arguments, environment);
  give_up();
  ::_exit(127);
}

}  // namespace

std::string ExitStatus::text() const {
  if (signal_number == 0) return "exit code " + std::to_string(code);
  const char* name = ::sigdescr_np(signal_number);  // not strsignal(), which is for one thread
  return "killed by signal " + std::to_string(signal_number) +
         (name != nullptr ? " (" + std::string(name) + ")" : "");
}

ExitStatus exit_status(int wait_status) {
  if (WIFSIGNALED(wait_status)) return {.code = 0, .signal_number = WTERMSIG(wait_status)};
  return {.code = WEXITSTATUS(wait_status), .signal_number = 0};
}

Child::Child(Child&& other) noexcept : pid_(other.pid_), leads_group_(other.leads_group_) {
  other.pid_ = -1;
}

Child::~Child() {
  if (pid_ < 0) return;
  if (leads_group_) ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR)
    ;
}

ExitStatus Child::wait() {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!process) throw_errno("cannot watch a process", std::to_string(pid_));
  wait_readable(process.get());
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0)  // it has ended
    if (errno != EINTR) throw_errno("cannot wait for a process", std::to_string(pid_));
  pid_ = -1;
  return exit_status(status);
}

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("cannot make a pipe", "pipe2");
  return {Fd(ends[0]), Fd(ends[1])};
}

std::optional<fs::path> find_program(const std::string& name) {
  const auto runs = [](const fs::path& path) {
    std::error_code error;  // a directory that may not be looked into holds nothing for us
    return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) return runs(name) ? std::optional<fs::path>(name) : std::nullopt;
  std::string directories = environment::find(environment::kPath).value_or("/usr/local/bin:/usr/bin:/bin");
  // Directories of system tools that are not in every user's PATH.
  directories += ":/usr/local/sbin:/usr/sbin:/sbin";
  for (const std::string_view directory : split(directories, ':')) {
    const fs::path candidate = fs::path(directory) / name;
    if (!directory.empty() && runs(candidate)) return candidate;
  }
  return std::nullopt;
}

Child start(const Command& command) {
  const std::string& name = command.arguments.at(0);
  const auto program = find_program(name);
  if (!program) throw Error("the program is not installed", {.where = name});
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> environment = command.environment ? *command.environment : environment::lines();
  const auto argument_pointers = pointers(arguments);
  const auto environment_pointers = pointers(environment);
  const std::string path = program->native();
  Fd null;
  if (command.input < 0) null = open_for_reading("/dev/null");
  Pipe failure = make_pipe();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw_errno("cannot start a process for", name);
  if (pid == 0) {
    become(command, path.c_str(), argument_pointers.data(), environment_pointers.data(), parent,
           command.input >= 0 ? command.input : null.get(), failure.writer.get());
  }
  Child child(pid, command.own_group);
  if (command.own_group) ::setpgid(pid, pid);  // also in the parent: the first of the two calls has effect
  failure.writer.reset();
  int error = 0;
  if (read_some(failure.reader.get(), std::as_writable_bytes(std::span(&error, 1)), name) == sizeof error)
    throw_errno("cannot run the program", name, error);
  return child;
}

void drain(int descriptor, const std::function<void(std::string_view)>& on_output) {
  std::array<char, 16u << 10> buffer;
  for (;;) {
    wait_readable(descriptor);
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count == 0) return;
    if (count > 0)
      on_output(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
    else if (errno != EINTR)
      throw_errno("cannot read output", "pipe");
  }
}

}  // namespace bottle
