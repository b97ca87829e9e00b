// SPDX-License-Identifier: Apache-2.0
// Other programs: started from an argument vector (never through a shell), watched, and gone with all they
// started when the object that stands for them goes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "util/file.hpp"

namespace bottle {

// How a process ended: its exit code, or the signal that killed it.
struct ExitStatus {
  int code = 0;
  int signal_number = 0;

  bool success() const { return code == 0 && signal_number == 0; }
  std::string text() const;  // "exit code 3", "killed by signal 9 (Killed)"
};
// Of what waitpid() gave.
ExitStatus exit_status(int wait_status);

// A child process. The destructor kills its process group (and it alone, if it leads none) and waits for it.
class Child {
 public:
  explicit Child(pid_t pid, bool leads_group) : pid_(pid), leads_group_(leads_group) {}
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;

  pid_t pid() const { return pid_; }
  // Waits; an interrupt (util/interrupt.hpp) throws.
  ExitStatus wait();

 private:
  pid_t pid_;  // -1: waited for
  bool leads_group_;
};

struct Command {
  std::vector<std::string> arguments;  // the first is the program, looked for in $PATH if it has no '/'
  std::optional<std::vector<std::string>> environment;  // "NAME=value" lines; nullopt: this process's
  fs::path directory;                                   // to run in; "" is the current one
  int input = -1;                                       // standard input; -1 is /dev/null
  int output = -1;  // standard output and error; -1: this process's standard error for both
  int error = -1;   // standard error; -1: where `output` goes
  std::optional<std::uint64_t> largest_file;  // bytes; SIGXFSZ ends what writes more into a file
  // The program dies when this process does, however that happens. It gets a separate process group unless it
  // keeps the terminal.
  bool own_group = true;
};

// Starts it. Throws an Error that names the program when it cannot be started.
Child start(const Command& command);

struct ProcessResult {
  ExitStatus status;
  std::string output;        // standard output and error, the last 64 KiB; of capture() standard output alone
  std::string message = {};  // of capture(): the last line of standard error
};
// Runs it to its end. `on_output` (may be empty) gets its output as it comes.
ProcessResult run_program(Command command, const std::function<void(std::string_view)>& on_output = {});
// Runs a program that writes what people read, line by line, without colours. Interrupted, it is asked to
// stop, and ended when it does not.
ProcessResult run_shown(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment,
                        const std::function<void(const std::string&)>& on_line);
// Fills a program's standard input. A program that stops reading is judged by its exit status.
using WriteInput = std::function<void(std::span<const std::byte>)>;
ProcessResult run_fed(const std::vector<std::string>& arguments,
                      const std::function<void(const WriteInput&)>& produce,
                      const std::vector<std::string>& environment = {});
// A short program, waited for whatever signals come: for cleaning up. nullopt if it could not be started, or
// had not ended when the time was over; then it is ended.
std::optional<ProcessResult> run_uninterrupted(const std::vector<std::string>& arguments,
                                               std::chrono::milliseconds limit) noexcept;

// Runs a program whose output is short, and takes it without the last line end. `environment` is added to
// this process's, here and below. Throws only if it cannot be started.
ProcessResult capture(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& environment = {});
// Standard output of a command that has to succeed; its standard error is the Error's message.
std::string output_of(const std::vector<std::string>& arguments, const std::string& hint,
                      const std::vector<std::string>& environment = {});
// Standard output into a file, for large ones.
void output_into(const std::vector<std::string>& arguments, const fs::path& file);

// The program and its first argument, for messages: "docker build".
std::string command_text(const std::vector<std::string>& arguments);
// The last line with anything on it.
std::string last_line(std::string_view text);
// This process's environment with these "NAME=value" lines put in.
std::vector<std::string> environment_with(const std::vector<std::string>& lines);

// Reads a pipe to its end, handing on what comes; an interrupt throws.
void drain(int descriptor, const std::function<void(std::string_view)>& on_output);

struct Pipe {
  Fd reader;
  Fd writer;
};
Pipe make_pipe();  // both ends close-on-exec

// The program's path: `name` itself if it has a '/', else looked for in $PATH. nullopt if it is not there.
std::optional<fs::path> find_program(const std::string& name);

}  // namespace bottle
