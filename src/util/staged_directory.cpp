// SPDX-License-Identifier: Apache-2.0
#include "util/staged_directory.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle {
namespace {

constexpr std::string_view kSuffix = ".tmp";

std::string prefix_of(const fs::path& target) {
  return "." + target.filename().native() + ".";
}

Fd lock_of(const fs::path& directory) {
  Fd file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) file.reset();
  return file;
}

}  // namespace

void StagedDirectory::remove_abandoned(const fs::path& target) {
  const std::string prefix = prefix_of(target);
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(target.parent_path(), error)) {
    const std::string file_name = entry.path().filename().native();
    std::string_view name = file_name;
    if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) continue;
    name.remove_prefix(prefix.size());
    if (name.size() <= kSuffix.size()) continue;
    name.remove_suffix(kSuffix.size());
    const auto process = parse_unsigned(name);
    if (!process || *process == 0 || *process > INT32_MAX) continue;
    if (::kill(static_cast<pid_t>(*process), 0) == 0 || errno != ESRCH) continue;
    const Fd lock = lock_of(entry.path());
    std::error_code ignored;
    if (lock) fs::remove_all(entry.path(), ignored);
  }
}

StagedDirectory::StagedDirectory(const fs::path& target) {
  make_directories(target.parent_path());
  remove_abandoned(target);
  path_ = target.parent_path() / (prefix_of(target) + std::to_string(::getpid()) + std::string(kSuffix));
  std::error_code ignored;
  fs::remove_all(path_, ignored);  // of a killed process that had our id
  if (::mkdir(path_.c_str(), 0700) != 0) throw_errno("cannot create", target.native());
  lock_ = lock_of(path_);
}

StagedDirectory::~StagedDirectory() {
  std::error_code ignored;  // nothing can be done about it in a destructor
  fs::remove_all(path_, ignored);
}

}  // namespace bottle
