// SPDX-License-Identifier: Apache-2.0
// The directory of one RUN in the store, and the names of its container and of the owner of what it keeps.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "run/confinement.hpp"
#include "util/file.hpp"

namespace bottle::run {

// "root", "1000-subordinate": see run/run_gc.hpp. `user` is the caller's id outside of all namespaces.
std::string cache_owner(IdMapping id_mapping, unsigned user);
// The file that remembers which runtime works for that owner (run/runtime.hpp). `place` holds run/.
fs::path runtime_memory(const fs::path& place, IdMapping id_mapping, unsigned user);

// The directory of one RUN, made and locked; gone with all it holds afterwards. What killed processes left
// goes first. To be used where the files can be removed: in a process of run_confined().
class RunDirectory {
 public:
  RunDirectory(const fs::path& store, const std::string& name);
  ~RunDirectory();
  RunDirectory(RunDirectory&&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  std::optional<FileLock> lock_;
};
// The name of the container, and with it of the control groups, of the RUN with this directory name.
std::string run_container(const std::string& name);

// The directories in it, sorted, except for those that begin with a dot: locks.
std::vector<std::string> directory_names(const fs::path& directory);
// Removes the directory that a killed RUN left, and its control groups. The caller holds its lock.
void remove_run(const fs::path& directory);

}  // namespace bottle::run
