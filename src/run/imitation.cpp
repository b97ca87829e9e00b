// SPDX-License-Identifier: Apache-2.0
#include "run/imitation.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "util/error.hpp"

namespace bottle::run {
namespace {

struct Device {
  const char* name;
  unsigned major;
  unsigned minor;
};
constexpr Device kDevices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                               {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

constexpr std::pair<const char*, const char*> kLinks[] = {{"fd", "/proc/self/fd"},
                                                          {"stdin", "/proc/self/fd/0"},
                                                          {"stdout", "/proc/self/fd/1"},
                                                          {"stderr", "/proc/self/fd/2"},
                                                          {"ptmx", "pts/ptmx"}};

// What does not depend on the time or on the process that reads it.
constexpr const char* kProcFiles[] = {"cpuinfo",
                                      "filesystems",
                                      "meminfo",
                                      "stat",
                                      "version",
                                      "sys/fs/file-max",
                                      "sys/fs/nr_open",
                                      "sys/kernel/cap_last_cap",
                                      "sys/kernel/ngroups_max",
                                      "sys/kernel/osrelease",
                                      "sys/kernel/ostype",
                                      "sys/kernel/pid_max",
                                      "sys/kernel/version",
                                      "sys/vm/max_map_count",
                                      "sys/vm/overcommit_memory"};
constexpr const char* kSysFiles[] = {"devices/system/cpu/online", "devices/system/cpu/possible",
                                     "devices/system/cpu/present"};

void set_mode(const fs::path& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) != 0) throw_errno("cannot set the mode of", path.native());
}

template <std::size_t count>
void copy_files(const char* from, const char* const (&names)[count], const fs::path& directory) {
  for (const char* name : names) {
    std::optional<std::string> text;
    try {
      text = read_file_if_exists(fs::path(from) / name, 16u << 20);
    } catch (const Error&) {
      // Hidden from this process, as containers hide some.
    }
    if (!text) continue;
    const fs::path file = directory / name;
    fs::create_directories(file.parent_path());
    write_file(file, *text, Durable::no);
    set_mode(file, 0444);
  }
}

}  // namespace

void imitate_dev(const fs::path& directory) {
  for (const Device& device : kDevices) {
    const fs::path node = directory / device.name;
    if (::mknod(node.c_str(), S_IFCHR | 0666, makedev(device.major, device.minor)) != 0)
      throw_errno("cannot create the device", node.native());
    set_mode(node, 0666);
  }
  for (const auto& [name, target] : kLinks)
    fs::create_symlink(target, directory / name);
  for (const auto& [name, mode] : {std::pair{"shm", 01777u}, {"mqueue", 01777u}, {"pts", 0755u}}) {
    fs::create_directory(directory / name);
    set_mode(directory / name, mode);
  }
}

void imitate_proc(const fs::path& directory) {
  copy_files("/proc", kProcFiles, directory);
}

void imitate_sys(const fs::path& directory) {
  copy_files("/sys", kSysFiles, directory);
}

}  // namespace bottle::run
