// SPDX-License-Identifier: Apache-2.0
// A place to make a directory in, beside the name that it will get.
#pragma once

#include "util/file.hpp"

namespace bottle {

// The directory ".<name>.<pid>.tmp" beside `target`, removed with all that is still in it by the destructor.
// What a SIGKILL left there is removed by the next one for that target when its process is gone, as with
// AtomicFile. Other users have no access to it. `target` is absolute; missing parents are made. Throws naming
// the target.
class StagedDirectory {
 public:
  explicit StagedDirectory(const fs::path& target);
  // What killed processes have left for that target, where no new one is needed.
  static void remove_abandoned(const fs::path& target);
  ~StagedDirectory();
  StagedDirectory(StagedDirectory&&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  Fd lock_;  // shows other containers, in which our process id means nothing, that the directory is in use
};

}  // namespace bottle
