// SPDX-License-Identifier: Apache-2.0
#include "run/tree_stamps.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/path.hpp"

namespace bottle::run {
namespace {

struct CloseListing {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

bool is_before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

}  // namespace

bool TreeStamps::Stamp::operator==(const Stamp& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
}

TreeStamps::Stamp TreeStamps::stamp_of(const struct stat& status) {
  return {status.st_dev, status.st_ino, status.st_size, status.st_ctim};
}

// `visit` gets the path below the directory and the status; it returns whether to continue.
template <typename Visit>
void TreeStamps::walk(const fs::path& directory, const Visit& visit) const {
  std::vector<std::string> open{""};
  struct stat status {};
  if (::lstat(directory.c_str(), &status) != 0) throw_errno("cannot stat", directory.native());
  if (!visit(std::string(), status) || !S_ISDIR(status.st_mode)) return;
  while (!open.empty()) {
    check_interrupted();
    const std::string path = std::move(open.back());
    open.pop_back();
    const fs::path absolute = path.empty() ? directory : directory / path;
    const std::unique_ptr<DIR, CloseListing> listing(::opendir(absolute.c_str()));
    if (!listing) throw_errno("cannot list", absolute.native());
    while (const dirent* item = ::readdir(listing.get())) {
      const std::string name = item->d_name;
      if (name == "." || name == "..") continue;
      if (::fstatat(::dirfd(listing.get()), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno("cannot stat", (absolute / name).native());
      std::string below = join_path(path, name);
      if (std::find(without_.begin(), without_.end(), below) != without_.end()) continue;
      if (!visit(below, status)) return;
      if (S_ISDIR(status.st_mode)) open.push_back(std::move(below));
    }
  }
}

TreeStamps::TreeStamps(const fs::path& directory, const fs::path& scratch, std::vector<std::string> without)
    : without_(std::move(without)) {
  walk(directory, [this](const std::string& path, const struct stat& status) {
    stamps_.emplace(path, stamp_of(status));
    return true;
  });
  const fs::path file = scratch / "moment";
  write_file(file, "", Durable::no);
  struct stat status {};
  if (::lstat(file.c_str(), &status) != 0) throw_errno("cannot stat", file.native());
  moment_ = status.st_ctim;
  fs::remove(file);
}

bool TreeStamps::is_unchanged(const std::string& path, const struct stat& status) const {
  const auto found = stamps_.find(path);
  return found != stamps_.end() && found->second == stamp_of(status) &&
         is_before(found->second.changed, moment_);
}

std::optional<std::string> TreeStamps::find_change(const fs::path& directory) const {
  std::optional<std::string> change;
  std::size_t count = 0;
  walk(directory, [&](const std::string& path, const struct stat& status) {
    ++count;
    const auto found = stamps_.find(path);
    if (found == stamps_.end() || !(found->second == stamp_of(status))) change = path;
    return !change;
  });
  if (change || count == stamps_.size()) return change;
  for (const auto& [path, stamp] : stamps_) {
    struct stat status {};
    if (::lstat((path.empty() ? directory : directory / path).c_str(), &status) != 0) return path;
  }
  return std::nullopt;
}

}  // namespace bottle::run
