// SPDX-License-Identifier: Apache-2.0
#include "pack/tree_writer.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "oci/entry.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr mode_t kWhileWriting = 0700;
constexpr std::uint32_t kSetIds = 06000;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Removes what has this name, a directory with all below it, following nothing.
void remove_at(int parent, const std::string& name, const std::string& place) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throw_errno("cannot remove", place);
  Fd directory(::openat(parent, name.c_str(), kDirectoryFlags));
  if (!directory) throw_errno("cannot remove", place);
  const std::unique_ptr<DIR, CloseDirectory> listing(::fdopendir(::dup(directory.get())));
  if (!listing) throw_errno("cannot list", place);
  while (const dirent* entry = ::readdir(listing.get())) {
    check_interrupted();
    const std::string child = entry->d_name;
    if (child != "." && child != "..") remove_at(directory.get(), child, place + "/" + child);
  }
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) throw_errno("cannot remove", place);
}

bool is_directory_at(int parent, const std::string& name) {
  struct stat status;
  return ::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

std::array<timespec, 2> times_of(const FileFacts& facts) {
  return {timespec{.tv_sec = facts.mtime, .tv_nsec = 0}, timespec{.tv_sec = facts.mtime, .tv_nsec = 0}};
}

void write_at(int descriptor, std::span<const std::byte> data, std::uint64_t offset,
              const std::string& place) {
  while (!data.empty()) {
    const ssize_t count = ::pwrite(descriptor, data.data(), data.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot write", place);
    data = data.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

}  // namespace

TreeWriter::TreeWriter(const fs::path& directory)
    : name_(directory.native()), root_(open_for_reading(directory, O_DIRECTORY)), owners_(::geteuid() == 0) {}

std::string TreeWriter::place(std::string_view path) const {
  return name_ + "/" + std::string(path);
}

int TreeWriter::parent(const std::string& path) {
  const std::string parent_path(oci::parent_path(path));
  if (parent_path.empty()) return root_.get();
  if (parent_ && parent_path == parent_path_) return parent_.get();
  Fd current;
  std::size_t end = 0;
  for (const std::string_view part : split(parent_path, '/')) {
    end += part.size() + (end == 0 ? 0 : 1);
    const std::string name(part);
    const int at = current ? current.get() : root_.get();
    Fd next(::openat(at, name.c_str(), kDirectoryFlags));
    if (!next) {
      const std::string here = parent_path.substr(0, end);
      if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) throw_errno("cannot open", place(here));
      if (errno != ENOENT) make_way(at, here);
      if (::mkdirat(at, name.c_str(), kWhileWriting) != 0)
        throw_errno("cannot create the directory", place(here));
      next = Fd(::openat(at, name.c_str(), kDirectoryFlags));
      if (!next) throw_errno("cannot open", place(here));
      directories_[here] = FileFacts{};
    }
    current = std::move(next);
  }
  parent_path_ = parent_path;
  parent_ = std::move(current);
  return parent_.get();
}

void TreeWriter::make_way(int parent, const std::string& path) {
  if (parent_path_ == path || parent_path_.starts_with(path + "/")) {
    parent_path_.clear();
    parent_.reset();
  }
  remove_at(parent, std::string(oci::base_name(path)), place(path));
  directories_.erase(path);
  directories_.erase(directories_.lower_bound(path + "/"), directories_.lower_bound(path + "0"));
}

void TreeWriter::set_facts(int descriptor, const std::string& path, const FileFacts& facts) const {
  std::uint32_t mode = facts.mode & 07777u;
  // The owner first: changing it clears the set-id bits.
  if (owners_) {
    if (::fchown(descriptor, facts.uid, facts.gid) != 0) throw_errno("cannot set the owner of", place(path));
  } else {
    mode &= ~kSetIds;
  }
  if (::fchmod(descriptor, static_cast<mode_t>(mode)) != 0)
    throw_errno("cannot set the mode of", place(path));
  if (::futimens(descriptor, times_of(facts).data()) != 0) throw_errno("cannot set the time of", place(path));
}

void TreeWriter::directory(const std::string& path, const FileFacts& facts) {
  directories_[path] = facts;
  if (path.empty()) return;
  const int at = parent(path);
  const std::string name(oci::base_name(path));
  if (is_directory_at(at, name)) {
    // It may have come with modes that keep its owner out.
    if (::fchmodat(at, name.c_str(), kWhileWriting, 0) != 0)
      throw_errno("cannot set the mode of", place(path));
    return;
  }
  remove_at(at, name, place(path));  // no directory: nothing below it is remembered
  if (::mkdirat(at, name.c_str(), kWhileWriting) != 0)
    throw_errno("cannot create the directory", place(path));
}

void TreeWriter::file(const std::string& path, const FileFacts& facts, std::uint64_t size,
                      const oci::Source& content) {
  const int at = parent(path);
  make_way(at, path);
  const std::string name(oci::base_name(path));
  const Fd file(::openat(at, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) throw_errno("cannot create the file", place(path));
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(size, 64u << 10)));
  std::uint64_t offset = 0;
  while (offset < size) {
    check_interrupted();
    const std::size_t count = content(buffer);
    if (count == 0) throw Error("the content is truncated", {.where = place(path)});
    const std::span<const std::byte> data = std::span(buffer).first(count);
    const bool hole = count == buffer.size() &&
                      std::ranges::all_of(data, [](std::byte byte) { return byte == std::byte{0}; });
    if (!hole) write_at(file.get(), data, offset, place(path));
    offset += count;
  }
  if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0) throw_errno("cannot write", place(path));
  set_facts(file.get(), path, facts);
}

void TreeWriter::symlink(const std::string& path, const FileFacts& facts, const std::string& target) {
  const int at = parent(path);
  make_way(at, path);
  const std::string name(oci::base_name(path));
  if (::symlinkat(target.c_str(), at, name.c_str()) != 0)
    throw_errno("cannot create the symbolic link", place(path));
  if (owners_ && ::fchownat(at, name.c_str(), facts.uid, facts.gid, AT_SYMLINK_NOFOLLOW) != 0)
    throw_errno("cannot set the owner of", place(path));
  if (::utimensat(at, name.c_str(), times_of(facts).data(), AT_SYMLINK_NOFOLLOW) != 0)
    throw_errno("cannot set the time of", place(path));
}

void TreeWriter::hardlink(const std::string& path, const std::string& target) {
  if (path == target) throw Error("a hard link to itself", {.where = place(path)});
  const std::string target_parent(oci::parent_path(target));
  Fd opened;
  if (!target_parent.empty()) opened = open_beneath(root_.get(), target_parent, kDirectoryFlags, name_);
  const int at = parent(path);
  make_way(at, path);
  if (::linkat(opened ? opened.get() : root_.get(), std::string(oci::base_name(target)).c_str(), at,
               std::string(oci::base_name(path)).c_str(), 0) != 0)
    throw_errno("cannot link to " + target + " from", place(path));
}

void TreeWriter::remove(const std::string& path) {
  if (path.empty()) return;
  const int at = parent(path);
  make_way(at, path);
}

void TreeWriter::finish() {
  parent_.reset();
  // In reverse order what lies below a directory comes before it.
  for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) {
    check_interrupted();
    if (it->first.empty()) continue;
    const Fd directory = open_beneath(root_.get(), it->first, kDirectoryFlags, name_);
    set_facts(directory.get(), it->first, it->second);
  }
}

void TreeWriter::finish_root() {
  const auto root = directories_.find("");
  if (root != directories_.end()) set_facts(root_.get(), "", root->second);
}

}  // namespace bottle::pack
