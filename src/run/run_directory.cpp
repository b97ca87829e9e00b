// SPDX-License-Identifier: Apache-2.0
#include "run/run_directory.hpp"

#include <algorithm>
#include <system_error>

#include "run/runtime.hpp"
#include "run/unpack.hpp"
#include "util/error.hpp"

namespace bottle::run {

std::vector<std::string> directory_names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator item(directory, error), end; !error && item != end; item.increment(error)) {
    std::error_code ignored;
    const std::string name = item->path().filename().native();
    if (name.front() != '.' && item->symlink_status(ignored).type() == fs::file_type::directory)
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string cache_owner(IdMapping id_mapping, unsigned user) {
  return id_mapping == IdMapping::root ? "root" : std::to_string(user) + "-" + to_string(id_mapping);
}

fs::path runtime_memory(const fs::path& place, IdMapping id_mapping, unsigned user) {
  return place / "run" / ("runtime-" + cache_owner(id_mapping, user));
}

std::string run_container(const std::string& name) {
  return "bottle-" + name;
}

RunDirectory::RunDirectory(const fs::path& store, const std::string& name) : path_(store / "run" / name) {
  const fs::path all = store / "run";
  make_directories(all);
  const FileLock making(all / ".lock", FileLock::Mode::exclusive);
  for (const std::string& left : directory_names(all)) {
    try {
      if (FileLock::try_lock(all / left / "lock", FileLock::Mode::exclusive)) remove_run(all / left);
    } catch (const Error&) {
      // Another user's: no obstacle here.
    }
  }
  fs::create_directory(path_);
  lock_.emplace(path_ / "lock", FileLock::Mode::exclusive);
}

RunDirectory::~RunDirectory() {
  try {
    remove_tree(path_);
  } catch (const Error&) {
    // The next RUN tries again.
  }
}

void remove_run(const fs::path& directory) {
  const std::string name = directory.filename().native();
  remove_control_groups(run_container(name));
  remove_control_groups(run_container("probe-" + name));
  remove_tree(directory);
}

}  // namespace bottle::run
