// SPDX-License-Identifier: Apache-2.0
// A function run in a child process with mount, process and, for ordinary users, separate user namespaces:
// its mounts and processes end with it, even when this process is killed. Where there are no namespaces
// (Boundary::none), a process above it ends what it started.
// Source: namespaces(7), user_namespaces(7), pid_namespaces(7), subuid(5), newuidmap(1).
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "util/file.hpp"

namespace bottle::run {

// Whose files the child can make.
enum class IdMapping {
  root,         // this process is root
  identity,     // root without CAP_SYS_ADMIN: a user namespace in which all ids are what they are here
  subordinate,  // an ordinary user, with the ids that /etc/subuid and /etc/subgid give
  single,       // an ordinary user without: all files belong to one user
};
const char* to_string(IdMapping id_mapping);
// The mapping that this process can have.
IdMapping available_id_mapping();

// What the child is kept in.
enum class Boundary {
  namespaces,
  none,  // the caller's namespaces; the ids are the caller's too
};
struct Confinement {
  IdMapping id_mapping = IdMapping::root;
  Boundary boundary = Boundary::namespaces;
};

// Whether the child stays in the process group that the terminal serves.
enum class Terminal { none, inherited };

// One such child. Several may run at once; this process needs no thread for them, so that a child is a copy
// of a process in which nothing is half done.
class ConfinedProcess {
 public:
  // Starts `body`, which gets a descriptor for what the programs that it starts have to say; `on_output`
  // gets that, here, as it comes. In the child the user is 0 and /proc is that of the new process namespace,
  // or the caller's where the kernel refuses a new one (Linux, fs/namespace.c, mount_too_revealing()). With
  // Terminal::inherited it may use the terminal. `body` is called in the child only, before this returns.
  ConfinedProcess(Confinement confinement, Terminal terminal,
                  const std::function<std::string(int output)>& body,
                  std::function<void(std::string_view)> on_output);
  // Kills what still runs and waits until all of it is gone.
  ~ConfinedProcess();
  ConfinedProcess(ConfinedProcess&&) = delete;

  // Waits until one of them has something to say or has finished, and takes it in. `on_output` may throw, and
  // so does an interrupt.
  static void wait(const std::vector<ConfinedProcess*>& children, int timeout_milliseconds = -1);

  bool finished() const { return !output_ && !result_; }
  // Once it has finished: what `body` returned; the Error that it threw is thrown here. Throws when the
  // system does not allow the namespaces, saying what to do.
  std::string result();

 private:
  void take(Fd& descriptor, bool is_output);
  void reap();

  pid_t pid_ = -1;
  Fd output_;  // open until the child has closed its end
  Fd result_;
  std::string text_;
  std::function<void(std::string_view)> on_output_;
};

// Runs `body` to its end.
std::string run_confined(Confinement confinement, Terminal terminal,
                         const std::function<std::string(int output)>& body,
                         const std::function<void(std::string_view)>& on_output);

}  // namespace bottle::run
