// SPDX-License-Identifier: Apache-2.0
// What util/process.hpp runs to its end. The processes themselves are in process.cpp.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle {
namespace {

constexpr std::size_t kKeptOutput = 64u << 10;

void keep_end(std::string& output, std::string_view text) {
  output += text;
  if (output.size() > 2 * kKeptOutput) output.erase(0, output.size() - kKeptOutput);
}

// Hands on whole lines, without colours and carriage returns.
class LineCutter {
 public:
  explicit LineCutter(const std::function<void(const std::string&)>& on_line) : on_line_(on_line) {}
  void take(std::string_view text) {
    for (const char c : text) {
      if (c == '\n' || c == '\r') {
        flush();
      } else if (c == '\t' || static_cast<unsigned char>(c) >= 0x20) {
        line_ += c;
      }
    }
  }
  void flush() {
    if (!line_.empty()) on_line_(line_);
    line_.clear();
  }

 private:
  const std::function<void(const std::string&)>& on_line_;
  std::string line_;
};

// Standard error goes to a file in memory: it is only read when something failed.
class ErrorFile {
 public:
  ErrorFile() : file_(::memfd_create("errors", MFD_CLOEXEC)) {
    if (!file_) throw_errno("cannot make a file in memory", "memfd_create");
  }
  int descriptor() const { return file_.get(); }
  std::string last() const {
    std::string text(16u << 10, '\0');
    const auto size = static_cast<std::uint64_t>(stat_of(file_.get(), "errors").st_size);
    const std::uint64_t offset = size > text.size() ? size - text.size() : 0;
    text.resize(pread_some(file_.get(), std::as_writable_bytes(std::span(text)), offset, "errors"));
    return last_line(text);
  }

 private:
  Fd file_;
};

// How long a builder that was interrupted has for taking down what it made.
constexpr std::chrono::seconds kStopTime{5};

int milliseconds_until(std::chrono::steady_clock::time_point end) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count() + 1, 0, 3'600'000));
}

// Reads the child's output to its end and waits for it, whatever signals come. nullopt: it was still running
// at `end`. A child that was waited for is left as a dead one, which its object removes.
std::optional<ExitStatus> ended_within(const Child& child, int output,
                                       std::chrono::steady_clock::time_point end, std::string& text) {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0)));
  if (!process) throw_errno("cannot watch a process", std::to_string(child.pid()));
  bool is_read = false;
  for (;;) {
    pollfd waited{.fd = is_read ? process.get() : output, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waited, 1, milliseconds_until(end));
    if (ready < 0 && errno != EINTR) throw_errno("cannot wait for a process", std::to_string(child.pid()));
    if (ready <= 0) {
      if (std::chrono::steady_clock::now() >= end) return std::nullopt;
      continue;
    }
    if (is_read) break;
    std::array<char, 4096> buffer;
    const ssize_t count = ::read(output, buffer.data(), buffer.size());
    if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
    is_read = count == 0 || (count < 0 && errno != EINTR);
  }
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
    ;
  return info.si_code == CLD_EXITED ? ExitStatus{.code = info.si_status, .signal_number = 0}
                                    : ExitStatus{.code = 0, .signal_number = info.si_status};
}

[[noreturn]] void fail(const std::vector<std::string>& arguments, const ExitStatus& status,
                       const std::string& message, const std::string& hint) {
  throw Error(message.empty() ? "it failed with " + status.text() : message,
              {.where = command_text(arguments), .hint = hint});
}

}  // namespace

std::string command_text(const std::vector<std::string>& arguments) {
  return arguments.size() > 1 ? arguments[0] + " " + arguments[1] : arguments[0];
}

std::string last_line(std::string_view text) {
  std::string last;
  for (const std::string_view line : split(text, '\n'))
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) last = line;
  while (!last.empty() && (last.back() == '\r' || last.back() == ' '))
    last.pop_back();
  return last;
}

std::vector<std::string> environment_with(const std::vector<std::string>& lines) {
  std::vector<std::string> environment = environment::lines();
  std::erase_if(environment, [&](const std::string& text) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& added) {
      return text.compare(0, text.find('=') + 1, added, 0, added.find('=') + 1) == 0;
    });
  });
  environment.insert(environment.end(), lines.begin(), lines.end());
  return environment;
}

ProcessResult run_program(Command command, const std::function<void(std::string_view)>& on_output) {
  Pipe pipe = make_pipe();
  command.output = pipe.writer.get();
  Child child = start(command);
  pipe.writer.reset();
  ProcessResult result;
  drain(pipe.reader.get(), [&](std::string_view text) {
    keep_end(result.output, text);
    if (on_output) on_output(text);
  });
  result.status = child.wait();
  return result;
}

ProcessResult capture(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& environment) {
  Pipe pipe = make_pipe();
  const ErrorFile errors;
  Command command{.arguments = arguments};
  if (!environment.empty()) command.environment = environment_with(environment);
  command.output = pipe.writer.get();
  command.error = errors.descriptor();
  Child child = start(command);
  pipe.writer.reset();
  ProcessResult captured;
  drain(pipe.reader.get(), [&](std::string_view text) { captured.output += text; });
  captured.status = child.wait();
  captured.message = errors.last();
  while (!captured.output.empty() && (captured.output.back() == '\n' || captured.output.back() == '\r'))
    captured.output.pop_back();
  return captured;
}

std::string output_of(const std::vector<std::string>& arguments, const std::string& hint,
                      const std::vector<std::string>& environment) {
  const ProcessResult captured = capture(arguments, environment);
  if (!captured.status.success()) fail(arguments, captured.status, captured.message, hint);
  return captured.output;
}

void output_into(const std::vector<std::string>& arguments, const fs::path& file) {
  const Fd target(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!target) throw_errno("cannot write", file.native());
  const ErrorFile errors;
  Command command{.arguments = arguments};
  command.output = target.get();
  command.error = errors.descriptor();
  const ExitStatus status = start(command).wait();
  if (!status.success())
    fail(arguments, status, errors.last(), "check that the disk has free space for the image");
}

ProcessResult run_shown(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment,
                        const std::function<void(const std::string&)>& on_line) {
  Pipe pipe = make_pipe();
  Command command{.arguments = arguments};
  command.environment = environment_with(environment);
  command.output = pipe.writer.get();
  Child child = start(command);
  pipe.writer.reset();
  LineCutter lines(on_line);
  ProcessResult result;
  try {
    drain(pipe.reader.get(), [&](std::string_view text) {
      keep_end(result.output, text);
      lines.take(text);
    });
    result.status = child.wait();
  } catch (const Interrupted&) {
    // A builder that is asked to stop takes down networks and containers that no other process knows of.
    ::kill(child.pid(), SIGTERM);
    std::string unread;
    (void)ended_within(child, pipe.reader.get(), std::chrono::steady_clock::now() + kStopTime, unread);
    throw;
  }
  lines.flush();
  return result;
}

ProcessResult run_fed(const std::vector<std::string>& arguments,
                      const std::function<void(const WriteInput&)>& produce,
                      const std::vector<std::string>& environment) {
  Pipe input = make_pipe();
  Pipe output = make_pipe();
  Command command{.arguments = arguments};
  if (!environment.empty()) command.environment = environment_with(environment);
  command.input = input.reader.get();
  command.output = output.writer.get();
  Child child = start(command);
  input.reader.reset();
  output.writer.reset();
  ProcessResult result;
  std::thread reader([&] {
    // It ends when the program does; an interrupt ends the program through `child`.
    try {
      drain(output.reader.get(), [&](std::string_view text) { result.output += text; });
    } catch (...) {
    }
  });
  struct Join {
    std::thread& thread;
    Child* child;
    ~Join() {
      if (child != nullptr) ::kill(-child->pid(), SIGKILL);
      thread.join();
    }
  } join{reader, &child};
  bool is_reading = true;
  produce([&](std::span<const std::byte> data) {
    while (is_reading && !data.empty()) {
      const ssize_t count = ::write(input.writer.get(), data.data(), data.size());
      if (count >= 0) {
        data = data.subspan(static_cast<std::size_t>(count));
      } else if (errno == EPIPE) {
        is_reading = false;
      } else if (errno != EINTR) {
        throw_errno("cannot write to the program", arguments[0]);
      }
      check_interrupted();
    }
  });
  input.writer.reset();
  result.status = child.wait();
  join.child = nullptr;
  return result;
}

std::optional<ProcessResult> run_uninterrupted(const std::vector<std::string>& arguments,
                                               std::chrono::milliseconds limit) noexcept {
  try {
    const auto end = std::chrono::steady_clock::now() + limit;
    Pipe pipe = make_pipe();
    Command command{.arguments = arguments};
    command.output = pipe.writer.get();
    Child child = start(command);
    pipe.writer.reset();
    ProcessResult result;
    const auto status = ended_within(child, pipe.reader.get(), end, result.output);
    if (!status) return std::nullopt;  // the child's destructor ends it
    result.status = *status;
    return result;
  } catch (...) {
    return std::nullopt;
  }
}

}  // namespace bottle
