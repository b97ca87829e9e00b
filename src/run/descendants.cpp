// SPDX-License-Identifier: Apache-2.0
#include "run/descendants.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

struct Status {
  pid_t parent = 0;
  bool is_dead = false;  // a zombie
};

// "<pid> (<name>) <state> <parent> ...": the name may hold blanks and parentheses.
std::optional<Status> status_of(pid_t pid) {
  std::string text;
  try {
    text = read_file_if_exists("/proc/" + std::to_string(pid) + "/stat", 4096).value_or("");
  } catch (const Error&) {
    return std::nullopt;  // it has ended while it was read
  }
  const std::size_t end = text.rfind(") ");
  if (end == std::string::npos || end + 4 >= text.size()) return std::nullopt;
  const auto fields = split(std::string_view(text).substr(end + 4), ' ');
  const auto parent = parse_unsigned(fields.front());
  if (!parent) return std::nullopt;
  const char state = text[end + 2];
  return Status{static_cast<pid_t>(*parent), state == 'Z' || state == 'X'};
}

// All that live below this process.
std::vector<pid_t> descendants() {
  std::multimap<pid_t, pid_t> children;
  std::set<pid_t> dead;
  std::error_code error;
  for (fs::directory_iterator item("/proc", error), end; !error && item != end; item.increment(error)) {
    const auto pid = parse_unsigned(item->path().filename().native());
    if (!pid) continue;
    const auto status = status_of(static_cast<pid_t>(*pid));
    if (!status) continue;
    children.emplace(status->parent, static_cast<pid_t>(*pid));
    if (status->is_dead) dead.insert(static_cast<pid_t>(*pid));
  }
  std::vector<pid_t> found{::getpid()};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [first, last] = children.equal_range(found[i]);
    for (auto child = first; child != last; ++child)
      found.push_back(child->second);
  }
  found.erase(found.begin());
  std::erase_if(found, [&](pid_t pid) { return dead.contains(pid); });
  return found;
}

// A number may be another process's by now. What a descriptor stands for stays, so the number is looked at
// again once there is one.
void send(pid_t pid, int signal_number, const std::set<pid_t>& family) {
#if defined(SYS_pidfd_open) && defined(SYS_pidfd_send_signal)
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (process) {
    const auto status = status_of(pid);
    if (!status || !family.contains(status->parent)) return;
    ::syscall(SYS_pidfd_send_signal, process.get(), signal_number, nullptr, 0);
    return;
  }
  if (errno == ESRCH) return;
#endif
  const auto status = status_of(pid);
  if (status && family.contains(status->parent)) ::kill(pid, signal_number);
}

}  // namespace

void become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    throw_errno("cannot become the parent of orphaned processes", "prctl");
}

int end_descendants() {
  std::set<pid_t> ended;
  for (;;) {
    std::set<pid_t> stopped;
    for (bool is_settled = false; !is_settled;) {
      is_settled = true;
      const std::vector<pid_t> found = descendants();
      std::set<pid_t> family(found.begin(), found.end());
      family.insert(::getpid());
      for (const pid_t pid : found)
        if (stopped.insert(pid).second) {
          send(pid, SIGSTOP, family);
          is_settled = false;
        }
    }
    std::set<pid_t> family = stopped;
    family.insert(::getpid());
    for (const pid_t pid : stopped)
      send(pid, SIGKILL, family);
    ended.insert(stopped.begin(), stopped.end());
    // Children of what has ended become this process's, so that it sees the end of each.
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, 0)) > 0 || (pid < 0 && errno == EINTR)) {
    }
    if (descendants().empty()) return static_cast<int>(ended.size());
  }
}

}  // namespace bottle::run
