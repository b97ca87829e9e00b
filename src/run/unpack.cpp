// SPDX-License-Identifier: Apache-2.0
#include "run/unpack.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "util/error.hpp"
#include "util/interrupt.hpp"

namespace bottle::run {
namespace {

using oci::Entry;
using oci::EntryType;

constexpr const char* kCapability = "security.capability";

timespec seconds(std::int64_t value) {
  return {.tv_sec = static_cast<time_t>(value), .tv_nsec = 0};
}

// Paths are below a directory that no other process writes to and whose directories are real ones, so no link
// can lead out of it.
class Unpacker {
 public:
  Unpacker(const std::vector<std::string>& roots, const oci::ContentReader& reader, const fs::path& directory,
           const UnpackOptions& options)
      : roots_(roots),
        reader_(reader),
        directory_(directory),
        root_(open_for_reading(directory, O_DIRECTORY)),
        options_(options) {}

  void write(const Entry& entry) {
    const char* path = entry.path.empty() ? "." : entry.path.c_str();
    switch (entry.type) {
      case EntryType::file:
        file(entry);
        break;
      case EntryType::directory:
        if (!entry.path.empty() && ::mkdirat(root_.get(), path, 0700) != 0 && errno != EEXIST)
          fail("cannot create", entry);
        attributes(entry);
        directories_.push_back(&entry);
        return;
      case EntryType::symlink:
        if (::symlinkat(entry.link.c_str(), root_.get(), path) != 0) fail("cannot create", entry);
        owner(entry);
        times(entry);
        return;
      case EntryType::hardlink:
        if (::linkat(root_.get(), entry.link.c_str(), root_.get(), path, 0) != 0) fail("cannot link", entry);
        return;
      case EntryType::fifo:
        if (::mkfifoat(root_.get(), path, 0600) != 0) fail("cannot create", entry);
        break;
      case EntryType::char_device:
      case EntryType::block_device: {
        if (!options_.devices) return;
        const mode_t kind = entry.type == EntryType::char_device ? S_IFCHR : S_IFBLK;
        if (::mknodat(root_.get(), path, kind | 0600, makedev(entry.device_major, entry.device_minor)) != 0)
          fail("cannot create", entry);
        break;
      }
      case EntryType::whiteout:
        if (::mknodat(root_.get(), path, S_IFCHR, makedev(0, 0)) != 0)
          fail("cannot create a whiteout", entry);
        return;
      case EntryType::opaque:
        throw Error("unexpected opaque directory", {.where = entry.path});
    }
    attributes(entry);
    times(entry);
  }

  // What is put into a directory changes its time, and its mode may forbid it.
  void finish() {
    for (auto entry = directories_.rbegin(); entry != directories_.rend(); ++entry) {
      mode(**entry);
      times(**entry);
    }
  }

 private:
  void file(const Entry& entry) {
    const Fd out(::openat(root_.get(), entry.path.c_str(),
                          O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!out) fail("cannot create", entry);
    if (entry.size == 0) return;
    reader_.read_verified(entry, roots_,
                          [&](std::span<const std::byte> data) { write_all(out.get(), data, entry.path); });
  }

  void attributes(const Entry& entry) {
    owner(entry);
    if (!entry.xattrs.empty()) {
      const std::string path = (directory_ / entry.path).native();
      for (const auto& [name, value] : entry.xattrs)
        if (::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) != 0 && errno != ENOTSUP &&
            errno != EPERM)
          fail("cannot set an attribute of", entry);
    }
    if (entry.type != EntryType::directory) mode(entry);
  }
  void mode(const Entry& entry) {
    const char* path = entry.path.empty() ? "." : entry.path.c_str();
    if (::fchmodat(root_.get(), path, entry.mode, 0) != 0) fail("cannot set the mode of", entry);
  }
  void owner(const Entry& entry) {
    if (options_.single_owner) return;
    const char* path = entry.path.empty() ? "." : entry.path.c_str();
    if (::fchownat(root_.get(), path, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) == 0) return;
    if (errno == EINVAL)
      throw Error(
          "the owner " + std::to_string(entry.uid) + ":" + std::to_string(entry.gid) + " of /" + entry.path +
              " is outside the subordinate ids",
          {.hint = "give this user more subordinate ids in /etc/subuid and /etc/subgid, or build as root"});
    fail("cannot set the owner of", entry);
  }
  void times(const Entry& entry) {
    const char* path = entry.path.empty() ? "." : entry.path.c_str();
    const std::array<timespec, 2> both{seconds(entry.mtime), seconds(entry.mtime)};
    if (::utimensat(root_.get(), path, both.data(), AT_SYMLINK_NOFOLLOW) != 0)
      fail("cannot set the times of", entry);
  }
  [[noreturn]] void fail(const char* action, const Entry& entry) const {
    throw_errno(action, (directory_ / entry.path).native());
  }

  const std::vector<std::string>& roots_;
  const oci::ContentReader& reader_;
  const fs::path& directory_;
  Fd root_;
  const UnpackOptions& options_;
  std::vector<const Entry*> directories_;
};

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

class TreeReader {
 public:
  TreeReader(const fs::path& directory, const PackOptions& options)
      : directory_(directory), options_(options), root_(index_.root(options.root_name)) {}

  oci::LayerIndex read() && {
    below("");
    return std::move(index_);
  }

 private:
  void below(const std::string& path) {
    check_interrupted();
    const fs::path absolute = path.empty() ? directory_ : directory_ / path;
    std::vector<std::string> names;
    {
      const std::unique_ptr<DIR, CloseDirectory> listing(::opendir(absolute.c_str()));
      if (!listing) throw_errno("cannot list", absolute.native());
      while (const dirent* item = ::readdir(listing.get())) {
        const std::string name = item->d_name;
        if (name != "." && name != "..") names.push_back(name);
      }
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names)
      visit(path.empty() ? name : path + "/" + name);
  }

  void visit(const std::string& path) {
    const std::string absolute = (directory_ / path).native();
    struct stat status {};
    if (::lstat(absolute.c_str(), &status) != 0) throw_errno("cannot stat", absolute);
    Entry entry;
    entry.path = path;
    entry.mode = static_cast<std::uint16_t>(status.st_mode & 07777);
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.mtime = status.st_mtim.tv_sec;
    switch (status.st_mode & S_IFMT) {
      case S_IFREG:
        entry.type = EntryType::file;
        entry.size = static_cast<std::uint64_t>(status.st_size);
        break;
      case S_IFDIR:
        entry.type = EntryType::directory;
        break;
      case S_IFLNK:
        entry.type = EntryType::symlink;
        entry.mode = 0777;
        entry.link = link_of(absolute, static_cast<std::size_t>(status.st_size));
        break;
      case S_IFIFO:
        entry.type = EntryType::fifo;
        break;
      case S_IFCHR:
      case S_IFBLK:
        entry.type = S_ISCHR(status.st_mode) ? EntryType::char_device : EntryType::block_device;
        entry.device_major = major(status.st_rdev);
        entry.device_minor = minor(status.st_rdev);
        break;
      default:
        if (::unlink(absolute.c_str()) != 0) throw_errno("cannot remove", absolute);
        return;
    }
    if (entry.type == EntryType::char_device && status.st_rdev == 0) {
      Entry whiteout;
      whiteout.path = path;
      whiteout.type = EntryType::whiteout;
      index_.entries.push_back(std::move(whiteout));
      return;
    }
    if (status.st_nlink > 1 && entry.type != EntryType::directory) {
      const auto [first, is_new] = names_.try_emplace({status.st_dev, status.st_ino}, path);
      if (!is_new) {
        entry.type = EntryType::hardlink;
        entry.link = first->second;
        entry.size = 0;
        index_.entries.push_back(std::move(entry));
        return;
      }
    }
    if (options_.correct_owner) options_.correct_owner(entry);
    if (entry.type == EntryType::file) {
      const auto known = options_.known_digest ? options_.known_digest(path, status) : std::nullopt;
      entry.digest = known ? *known : file_digest(absolute);
      if (entry.size > 0) entry.place = {.root = root_, .offset = 0, .path = path};
    }
    if (entry.type == EntryType::file || entry.type == EntryType::directory)
      if (auto capability = attribute(absolute, kCapability))
        entry.xattrs.add(kCapability, std::move(*capability));
    const bool is_directory = entry.type == EntryType::directory;
    index_.entries.push_back(entry);
    if (is_directory) {
      if (attribute(absolute, options_.opaque_attribute) == "y") {
        Entry opaque;
        opaque.path = path;
        opaque.type = EntryType::opaque;
        index_.entries.push_back(std::move(opaque));
      }
      below(path);
    }
    if (const std::int64_t time = options_.time_of(entry);
        time != entry.mtime || status.st_mtim.tv_nsec != 0) {
      const std::array<timespec, 2> times{seconds(time), seconds(time)};
      if (::utimensat(AT_FDCWD, absolute.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno("cannot set the times of", absolute);
    }
  }

  static std::string link_of(const std::string& path, std::size_t size) {
    std::string target(size + 1, '\0');
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    if (length < 0) throw_errno("cannot read the link", path);
    target.resize(static_cast<std::size_t>(length));
    return target;
  }

  static std::optional<std::string> attribute(const std::string& path, const char* name) {
    std::string value(1024, '\0');
    const ssize_t length = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    if (length < 0) return std::nullopt;
    value.resize(static_cast<std::size_t>(length));
    return value;
  }

  const fs::path& directory_;
  const PackOptions& options_;
  oci::LayerIndex index_;
  std::uint32_t root_;
  std::map<std::pair<dev_t, ino_t>, std::string> names_;  // of inodes with several
};

}  // namespace

void unpack(const std::vector<Entry>& entries, const std::vector<std::string>& roots,
            const oci::ContentReader& reader, const fs::path& directory, const UnpackOptions& options) {
  Unpacker unpacker(roots, reader, directory, options);
  for (const Entry& entry : entries) {
    check_interrupted();
    unpacker.write(entry);
  }
  unpacker.finish();
}

Digest file_digest(const fs::path& path) {
  const Fd file = open_for_reading(path, O_NOFOLLOW);
  Sha256 hasher;
  std::vector<std::byte> buffer(256u << 10);
  for (;;) {
    check_interrupted();
    const std::size_t count = read_some(file.get(), buffer, path.native());
    hasher.update(std::span(buffer).first(count));
    if (count < buffer.size()) return hasher.finish();
  }
}

oci::LayerIndex read_tree(const fs::path& directory, const PackOptions& options) {
  return TreeReader(directory, options).read();
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return;
  // A directory that its owner may not enter stops the removal for all but root.
  for (fs::recursive_directory_iterator item(path, fs::directory_options::skip_permission_denied, error), end;
       !error && item != end; item.increment(error)) {
    std::error_code ignored;
    if (item->is_directory(ignored) && !item->is_symlink(ignored))
      fs::permissions(item->path(), fs::perms::owner_all, fs::perm_options::add, ignored);
  }
  fs::remove_all(path, error);
  if (error && error != std::errc::no_such_file_or_directory)
    throw_errno("cannot remove", path.native(), error.value());
}

}  // namespace bottle::run
