// Running the programs behind the engines.
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
#include <cstdlib>
#include <thread>

#include "image/engine/drivers.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::image {
namespace {

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

std::string command_text(const std::vector<std::string>& arguments) {
  return arguments.size() > 1 ? arguments[0] + " " + arguments[1] : arguments[0];
}

}  // namespace

std::string last_line(std::string_view text) {
  std::string last;
  for (const std::string_view line : split(text, '\n'))
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) last = line;
  while (!last.empty() && (last.back() == '\r' || last.back() == ' '))
    last.pop_back();
  return last;
}

std::string file_identity(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return "file " + file.native() + " absent\n";
  return "file " + file.native() + " " + std::to_string(status.st_dev) + " " + std::to_string(status.st_ino) +
         " " + std::to_string(S_ISREG(status.st_mode) ? status.st_size : 0) + " " +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec) + "\n";
}

std::string program_identity(const std::string& program, const std::string& package) {
  const auto path = find_program(program);
  if (!path)
    throw Error(
        "the engine's program \"" + program + "\" is not installed",
        {.where = "PATH", .hint = "install " + package + ", or use ENGINE builtin, which needs none"});
  return file_identity(*path);
}

std::string environment_value(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string environment_identity(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += "environment " + name + "=" + escape_word(environment_value(name.c_str())) + "\n";
  return text;
}

std::vector<std::string> engine_options(const BuildSpec& spec) {
  std::vector<std::string> options = spec.engine_options;
  const std::string more = environment_value("BOTTLE_ENGINE_OPTIONS");
  for (const std::string_view word : split(more, ' '))
    if (!word.empty()) options.emplace_back(word);
  // The last of two wins: what this machine needs for a network gives none to who wants none.
  if (!spec.run_has_network) options.insert(options.end(), {"--network", "none"});
  append(options, spec.run_settings.options());
  return options;
}

std::vector<std::string> common_options(const Resolved& resolved) {
  const BuildSpec& spec = resolved.spec();
  std::vector<std::string> options;
  // SOURCE_DATE_EPOCH is a number by now, or is not there any more.
  const auto& values = resolved.values().build_args;
  for (const auto& [name, given] : spec.build_args) {
    const auto value = values.find(name);
    if (value == values.end()) continue;
    options.push_back("--build-arg");
    options.push_back(name + "=" + value->second);
  }
  for (const auto& [name, value] : spec.labels) {
    options.push_back("--label");
    options.push_back(name + "=" + value);
  }
  if (!spec.platform.empty()) {
    options.push_back("--platform");
    options.push_back(spec.platform);
  }
  return options;
}

std::vector<std::string> environment_with(const std::vector<std::string>& lines) {
  std::vector<std::string> environment;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string text = *line;
    bool is_replaced = false;
    for (const std::string& added : lines)
      is_replaced = is_replaced || text.compare(0, text.find('=') + 1, added, 0, added.find('=') + 1) == 0;
    if (!is_replaced) environment.push_back(text);
  }
  environment.insert(environment.end(), lines.begin(), lines.end());
  return environment;
}

namespace {

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

constexpr std::size_t kOutputKept = 64u << 10;
// How long a builder that was interrupted has for taking down what it made.
constexpr std::chrono::seconds kStopTime{5};

int milliseconds_until(std::chrono::steady_clock::time_point end) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count() + 1, 0, 3'600'000));
}

// Reads the child's output to its end and waits for it, whatever signals come. nullopt: it was still at work
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

Captured capture(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  Pipe pipe = make_pipe();
  const ErrorFile errors;
  Command command{.arguments = arguments};
  if (!environment.empty()) command.environment = environment_with(environment);
  command.output = pipe.writer.get();
  command.error = errors.descriptor();
  Child child = start(command);
  pipe.writer.reset();
  Captured captured;
  drain(pipe.reader.get(), [&](std::string_view text) { captured.output += text; });
  captured.status = child.wait();
  captured.message = errors.last();
  while (!captured.output.empty() && (captured.output.back() == '\n' || captured.output.back() == '\r'))
    captured.output.pop_back();
  return captured;
}

std::string output_of(const std::vector<std::string>& arguments, const std::string& hint,
                      const std::vector<std::string>& environment) {
  const Captured captured = capture(arguments, environment);
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
  if (!status.success()) fail(arguments, status, errors.last(), "is there room for the image?");
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
  ProcessResult finished;
  try {
    drain(pipe.reader.get(), [&](std::string_view text) {
      finished.output += text;
      if (finished.output.size() > 2 * kOutputKept)
        finished.output.erase(0, finished.output.size() - kOutputKept);
      lines.take(text);
    });
    finished.status = child.wait();
  } catch (const Interrupted&) {
    // A builder that is asked to stop takes down networks and containers that nobody else knows of.
    ::kill(child.pid(), SIGTERM);
    std::string unread;
    (void)ended_within(child, pipe.reader.get(), std::chrono::steady_clock::now() + kStopTime, unread);
    throw;
  }
  lines.flush();
  return finished;
}

ProcessResult run_fed(const std::vector<std::string>& arguments,
                      const std::function<void(const oci::Sink&)>& produce,
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
  ProcessResult finished;
  std::thread reader([&] {
    // It ends when the program does; an interrupt ends the program through `child`.
    try {
      drain(output.reader.get(), [&](std::string_view text) { finished.output += text; });
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
  finished.status = child.wait();
  join.child = nullptr;
  return finished;
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
    ProcessResult finished;
    const auto status = ended_within(child, pipe.reader.get(), end, finished.output);
    if (!status) return std::nullopt;  // the child's destructor ends it
    finished.status = *status;
    return finished;
  } catch (...) {
    return std::nullopt;
  }
}

void run_build(const EngineRequest& request, const std::vector<std::string>& arguments,
               const std::vector<std::string>& environment) {
  const ProcessResult finished = run_shown(arguments, environment, request.on_line);
  if (finished.status.success()) return;
  const std::string last = last_line(finished.output);
  throw Error("the engine failed with " + finished.status.text() + (last.empty() ? "" : ": " + last),
              {.where = "bottle " + request.resolved.spec().slug + ": " + command_text(arguments),
               .hint = "its own words are above; ENGINE builtin needs no daemon"});
}

}  // namespace bottle::image
