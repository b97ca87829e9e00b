// SPDX-License-Identifier: Apache-2.0
// AtomicFile, link_or_copy, FileLock, TemporaryDirectory: the parts of util/file.hpp that change what is on
// disk.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/interrupt.hpp"
#include "util/obstacle.hpp"
#include "util/replace.hpp"

namespace bottle {
namespace {

std::string temporary_prefix(const fs::path& target) {
  return "." + target.filename().native() + ".";
}

fs::path temporary_name(const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  return target.parent_path() / (temporary_prefix(target) + std::to_string(::getpid()) + "." +
                                 std::to_string(counter.fetch_add(1)) + ".tmp");
}

// Removes what killed processes left for this name. A process id alone does not tell: another container or
// host that shares the directory has its own. So the writer also holds a lock on its temporary file, which
// ends with it.
void remove_abandoned(const fs::path& target) {
  const fs::path directory = target.parent_path().empty() ? fs::path(".") : target.parent_path();
  const std::string prefix = temporary_prefix(target);
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix) || !name.ends_with(".tmp")) continue;
    const std::string_view rest = name.substr(prefix.size());
    int process = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), process);
    if (error != std::errc() || end == rest.data() + rest.size() || *end != '.' || process <= 0) continue;
    if (::kill(process, 0) == 0 || errno != ESRCH) continue;
    const Fd abandoned(
        ::openat(::dirfd(stream), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (abandoned && ::flock(abandoned.get(), LOCK_EX | LOCK_NB) == 0)
      ::unlinkat(::dirfd(stream), entry->d_name, 0);
  }
  ::closedir(stream);
}

void sync_directory_of(const fs::path& path) {
  const fs::path directory = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  Fd descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems refuse to sync a directory; the rename itself has happened.
  if (descriptor) (void)::fsync(descriptor.get());
}

}  // namespace

AtomicFile::AtomicFile(fs::path target, mode_t mode, Durable durable)
    : target_(std::move(target)), temporary_(temporary_name(target_)), durable_(durable) {
  remove_abandoned(target_);
  file_ = Fd(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!file_ && errno == EEXIST) {  // left by a killed process that had our id
    ::unlink(temporary_.c_str());
    file_ = Fd(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  }
  if (!file_) throw_errno("cannot write", target_.native());
  (void)::flock(file_.get(), LOCK_EX | LOCK_NB);  // see remove_abandoned(); not every file system has locks
}

AtomicFile::~AtomicFile() {
  if (file_) ::unlink(temporary_.c_str());
}

void AtomicFile::commit() {
  if (durable_ != Durable::no && ::fdatasync(file_.get()) != 0) throw_errno("cannot write", target_.native());
  const auto put = [&] {
    return (durable_ == Durable::no ? rename_unflushed(temporary_, target_)
                                    : ::rename(temporary_.c_str(), target_.c_str())) == 0;
  };
  if (!put()) {
    const int error = errno;
    if (!remove_obstacle("cannot write", target_) || !put())
      throw_errno("cannot write", target_.native(), error);
  }
  file_.reset();
  if (durable_ == Durable::yes) sync_directory_of(target_);
}

void link_or_copy(const fs::path& from, const fs::path& to) {
  const fs::path temporary = temporary_name(to);
  {
    const Fd source = open_for_reading(from);
    ::unlink(temporary.c_str());  // left by a killed process that had our id
    Fd copy(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!copy) throw_errno("cannot write", to.native());
    if (::ioctl(copy.get(), FICLONE, source.get()) != 0) {
      copy.reset();
      ::unlink(temporary.c_str());
      if (::link(from.c_str(), temporary.c_str()) != 0) {
        AtomicFile whole(to, 0666, Durable::no);
        copy_range(source.get(), 0, whole.descriptor(), 0,
                   static_cast<std::uint64_t>(stat_of(source.get(), from.native()).st_size), to.native());
        whole.commit();
        return;
      }
    }
  }
  int error = ::rename(temporary.c_str(), to.c_str()) == 0 ? 0 : errno;
  try {
    if (error != 0 && remove_obstacle("cannot write", to))
      error = ::rename(temporary.c_str(), to.c_str()) == 0 ? 0 : errno;
  } catch (const Error&) {
    ::unlink(temporary.c_str());
    throw;
  }
  // rename(2) does nothing when both names already are the same file.
  ::unlink(temporary.c_str());
  if (error != 0) throw_errno("cannot write", to.native(), error);
}

namespace {

Fd open_lock(const fs::path& path) {
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  // flock(2) needs no right to write: a lock in a directory for reading only can still be held.
  if (!file && (errno == EACCES || errno == EROFS)) file = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw_no_file("cannot open the lock", path, errno);
  return file;
}

int lock_operation(FileLock::Mode mode) {
  return mode == FileLock::Mode::exclusive ? LOCK_EX : LOCK_SH;
}

}  // namespace

FileLock::FileLock(const fs::path& path, Mode mode) : file_(open_lock(path)) {
  // A build that waits for another must end on the first Ctrl-C.
  while (::flock(file_.get(), lock_operation(mode)) != 0) {
    if (errno != EINTR) throw_errno("cannot lock", path.native());
    check_interrupted();
  }
}

std::optional<FileLock> FileLock::try_lock(const fs::path& path, Mode mode) {
  Fd file = open_lock(path);
  if (::flock(file.get(), lock_operation(mode) | LOCK_NB) == 0) return FileLock(std::move(file));
  if (errno == EWOULDBLOCK) return std::nullopt;
  throw_errno("cannot lock", path.native());
}

TemporaryDirectory::TemporaryDirectory(const fs::path& parent) {
  std::string pattern = ((parent.empty() ? fs::temp_directory_path() : parent) / "bottle-XXXXXX").native();
  if (::mkdtemp(pattern.data()) == nullptr) throw_errno("cannot create a temporary directory", pattern);
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // nothing can be done about it in a destructor
  fs::remove_all(path_, ignored);
}

}  // namespace bottle
