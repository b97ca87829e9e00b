// A function run in a child process with mount, process and, for ordinary users, user namespaces of its own:
// whatever it mounts and starts goes with it, even when this process is killed.
// Source: namespaces(7), user_namespaces(7), pid_namespaces(7), subuid(5), newuidmap(1).
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace bottle::image {

// Whose files the child can make.
enum class Identity {
  root,         // this process is root
  subordinate,  // an ordinary user, with the ids that /etc/subuid and /etc/subgid give
  single,       // an ordinary user without: all files belong to one user
};
const char* to_string(Identity identity);
// What this process can have.
Identity available_identity();

// Whether the child stays in the process group that the terminal serves.
enum class Terminal { none, kept };

// Runs `body` and returns what it returned; the Error that it threw is thrown here. `body` gets a descriptor
// for what the programs that it starts have to say; `on_output` gets that, here, as it comes. In the child
// the user is 0 and /proc is that of the new process namespace. With Terminal::kept it may use the terminal.
// An interrupt here kills the child and all that it started. Throws when the system does not allow the
// namespaces, saying what to do.
std::string run_confined(Identity identity, Terminal terminal,
                         const std::function<std::string(int output)>& body,
                         const std::function<void(std::string_view)>& on_output);

}  // namespace bottle::image
