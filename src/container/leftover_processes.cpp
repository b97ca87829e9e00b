// SPDX-License-Identifier: Apache-2.0
#include "container/leftover_processes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <system_error>
#include <vector>

#include "util/text.hpp"

namespace bottle::container {
namespace {

// Ends the processes of which this is true; it is given their directory in /proc.
bool end_processes(std::chrono::milliseconds limit, const std::function<bool(const fs::path&)>& is_left) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (bool is_any = true; is_any;) {  // they may be starting others
    // One that is frozen, or waits for a disk, does not go whatever it is sent.
    if (std::chrono::steady_clock::now() > end) return false;
    is_any = false;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc", error)) {
      const auto id = parse_unsigned(entry.path().filename().native());
      if (!id) continue;
      const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(*id), 0)));
      if (!process || !is_left(entry.path())) continue;
      if (::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0) != 0) continue;
      is_any = true;
      pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
      ::poll(&ended, 1, 1000);
    }
  }
  return true;
}

// "" of a process that has ended, or is another user's.
std::string text_of_process(const fs::path& file) {
  std::string text;
  const Fd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened) return text;
  std::array<char, 1 << 16> part;
  for (ssize_t count; (count = ::read(opened.get(), part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<std::size_t>(count));
  return text;
}

struct Mount {
  std::string device;  // "major:minor"
  std::string root;    // the directory or file of that file system which is mounted
  std::string point;   // as the process sees it
};

// Blanks, line feeds and backslashes are octal numbers there: proc_pid_mountinfo(5).
std::string without_octals(std::string_view word) {
  std::string text;
  for (std::size_t at = 0; at < word.size(); ++at) {
    const auto code = word[at] == '\\' ? parse_unsigned(word.substr(at + 1, 3), 8) : std::nullopt;
    text += code ? static_cast<char>(*code) : word[at];
    if (code) at += 3;
  }
  return text;
}

std::vector<Mount> mounts_of(const fs::path& process) {
  std::vector<Mount> mounts;
  const std::string text = text_of_process(process / "mountinfo");
  for (const std::string_view line : split(text, '\n')) {
    const std::vector<std::string_view> words = split(line, ' ');
    if (words.size() > 4)
      mounts.push_back({std::string(words[2]), without_octals(words[3]), without_octals(words[4])});
  }
  return mounts;
}

bool is_in(const std::string& path, const std::string& directory) {
  return directory == "/" || path == directory || path.starts_with(directory + "/");
}

// The directory as a Mount of it would say: its place in its file system.
std::optional<Mount> place_of(const fs::path& directory) {
  std::optional<Mount> found;
  for (Mount& mount : mounts_of("/proc/self"))
    if (is_in(directory.native(), mount.point) && (!found || mount.point.size() >= found->point.size()))
      found = std::move(mount);
  if (!found) return found;
  const std::string rest = directory.native().substr(found->point == "/" ? 0 : found->point.size());
  found->root = (found->root == "/" ? "" : found->root) + rest;
  return found;
}

// What Buildah mounts into every container from the directory that it works in. Of all mounts only these are
// asked for: nowhere but in such a container are they from there.
bool is_name(const std::string& point) {
  constexpr std::array<std::string_view, 4> kNames{"/etc/hosts", "/etc/resolv.conf", "/etc/hostname",
                                                   "/run/.containerenv"};
  return std::find(kNames.begin(), kNames.end(), point) != kNames.end();
}

}  // namespace

bool end_processes_rooted_below(const fs::path& directory, std::chrono::milliseconds limit) {
  return end_processes(limit, [prefix = directory.native() + "/"](const fs::path& process) {
    std::error_code error;
    return fs::read_symlink(process / "root", error).native().starts_with(prefix);
  });
}

bool end_processes_named_from(const fs::path& directory, std::chrono::milliseconds limit) {
  std::error_code error;
  const auto place = place_of(fs::weakly_canonical(directory, error));
  if (error || !place) return false;
  return end_processes(limit, [&](const fs::path& process) {
    const std::vector<Mount> mounts = mounts_of(process);
    return std::any_of(mounts.begin(), mounts.end(), [&](const Mount& mount) {
      return is_name(mount.point) && mount.device == place->device && is_in(mount.root, place->root);
    });
  });
}

bool end_processes_marked(const std::string& mark, std::chrono::milliseconds limit) {
  return end_processes(limit, [&](const fs::path& process) {
    return ('\0' + text_of_process(process / "environ")).find('\0' + mark + '\0') != std::string::npos;
  });
}

}  // namespace bottle::container
