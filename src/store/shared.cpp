// SPDX-License-Identifier: Apache-2.0
#include "store/shared.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <new>

#include "util/error.hpp"

namespace bottle::store {

namespace {

// Temporary directories that are still there when the process ends. A tool does not take its results apart,
// and with them an open store: the process ends, and takes all memory at once. Processes forked for a RUN end
// without this.
class ScratchDirectories {
 public:
  static ScratchDirectories& instance() {
    static ScratchDirectories all;
    return all;
  }
  ~ScratchDirectories() {
    std::error_code ignored;
    for (const fs::path& path : paths_)
      fs::remove_all(path, ignored);
  }
  void add(const fs::path& path) {
    const std::lock_guard guard(mutex_);
    paths_.insert(path);
  }

 private:
  std::mutex mutex_;
  std::set<fs::path> paths_;
};

std::unique_ptr<TemporaryDirectory> make_scratch() {
  auto scratch = std::make_unique<TemporaryDirectory>();
  ScratchDirectories::instance().add(scratch->path());
  return scratch;
}

}  // namespace

Flags::Flags() {
  void* page = ::mmap(nullptr, sizeof(Values), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::bad_alloc();
  values_ = new (page) Values;
}

Flags::~Flags() {
  (void)::munmap(values_, sizeof(Values));
}

void Shared::write_elsewhere() {
  scratch = make_scratch();
  below.emplace(layout.root());
  layout = Layout(scratch->path());
  umask.reset();
  for (const fs::path& part : {layout.blobs(), layout.actions(), layout.temporaries()})
    make_directories(part);
  // What is known of files that were read before, for reading.
  std::error_code ignored;  // without it they are read again
  fs::create_directory_symlink(below->root() / "stat", layout.root() / "stat", ignored);
}

fs::path Shared::find(PlaceOf place_of, const Digest& id) {
  fs::path written = (layout.*place_of)(id);
  if (!below && !flags->has_aside.load(std::memory_order_acquire)) return written;
  const auto exists = [](const fs::path& path) { return ::access(path.c_str(), F_OK) == 0; };
  const std::lock_guard guard(mutex);
  if (below) {
    if (exists(written) || dropped.contains(id)) return written;
    fs::path read_only = (*below.*place_of)(id);
    return exists(read_only) ? read_only : written;
  }
  if (!aside) return written;
  fs::path other = (*aside.*place_of)(id);
  return exists(other) || dropped.contains(id) ? other : written;
}

fs::path Shared::blob(const Digest& digest) {
  return find(&Layout::blob, digest);
}

fs::path Shared::action(const Digest& key) {
  return find(&Layout::action, key);
}

void Shared::make_directory(const fs::path& path) const {
  if (!umask) return make_directories(path);
  if (fs::is_directory(path)) return;
  make_directory(path.parent_path());
  if (::mkdir(path.c_str(), 0777) == 0) {
    // With its own umask the process may have given less. The bit by which files get the group stays.
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 ||
        ::chmod(path.c_str(), masked(0777) | (status.st_mode & S_ISGID)) != 0)
      throw_errno("cannot set the permissions of", path.native());
  } else if (errno != EEXIST) {
    throw_errno("cannot create the directory", path.native());
  }
}

void Shared::publish(const fs::path& from, const fs::path& target) {
  if (umask) make_directory(target.parent_path());
  const std::error_code error = store::publish(from, target);
  if (!error) return;
  const bool is_denied = error == std::errc::permission_denied ||
                         error == std::errc::operation_not_permitted ||
                         error == std::errc::read_only_file_system;
  if (below || !is_denied) throw_errno("cannot write", target.native(), error.value());
  publish_aside(from, target);
}

// With the mutex held.
void Shared::make_aside() {
  if (aside) return;
  scratch = make_scratch();
  aside.emplace(scratch->path());
}

// Without one that is not writable nothing is made, which a killed process would leave.
void Shared::prepare_aside(bool is_needed) {
  const std::lock_guard guard(mutex);
  if (below) return;
  const auto is_unwritable = [](const fs::path& directory) {
    return ::access(directory.c_str(), W_OK | X_OK) != 0;
  };
  for (const fs::path& top : {layout.blobs(), layout.actions()}) {
    std::error_code error;
    is_needed = is_needed || is_unwritable(top);
    for (fs::directory_iterator entry(top, error); !is_needed && !error && entry != fs::directory_iterator();
         entry.increment(error))
      is_needed = is_unwritable(entry->path());
  }
  if (is_needed) make_aside();
}

void Shared::note_unwritable(const fs::path& directory) {
  if (!flags->has_written.exchange(true))
    std::fprintf(stderr, "bottle: %s in the store is not writable: new results are not kept there\n",
                 directory.c_str());
}

void Shared::publish_aside(const fs::path& from, const fs::path& target) {
  note_unwritable(target.parent_path());
  const std::lock_guard guard(mutex);
  make_aside();
  const fs::path place = aside->root() / target.lexically_relative(layout.root());
  make_directories(place.parent_path());
  // A copy, because the temporary directory may be on another file system. A rename, because another thread
  // may read the old file.
  const fs::path copy = aside->root() / from.filename();
  std::error_code error;
  fs::remove(copy, error);
  fs::copy_file(from, copy, error);
  if (!error) fs::rename(copy, place, error);
  if (error) throw_errno("cannot write", place.native(), error.value());
  ::unlink(from.c_str());
  flags->has_aside.store(true, std::memory_order_release);
}

void Shared::disregard(const Digest& id) {
  const std::lock_guard guard(mutex);
  if (!below) make_aside();
  dropped.insert(id);
  flags->has_aside.store(true, std::memory_order_release);
}

Shared::Temporary Shared::make_temporary(mode_t mode) {
  if (below && !flags->has_written.exchange(true))
    std::fprintf(
        stderr, "bottle: warning: cannot write to the store %s: it will not hold the results of this build\n",
        below->root().c_str());
  while (true) {
    // Process ids repeat, also at the same time in containers that share a store: O_EXCL settles it.
    fs::path path = layout.temporaries() / (std::to_string(::getpid()) + "." + std::to_string(temporaries++));
    Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (file) {
      if (umask && ::fchmod(file.get(), masked(mode)) != 0)
        throw_errno("cannot set the permissions of", path.native());
      return {std::move(file), std::move(path)};
    }
    if (errno == ENOENT && !fs::exists(layout.temporaries()))
      make_directory(layout.temporaries());
    else if (errno != EEXIST)
      throw_errno("cannot write to the store", layout.root().native());
  }
}

void Shared::write(const fs::path& target, std::string_view text) {
  const Temporary temporary = make_temporary(0666);
  try {
    write_all(temporary.file.get(), text, target.native());
    publish(temporary.path, target);
  } catch (...) {
    ::unlink(temporary.path.c_str());
    throw;
  }
}

}  // namespace bottle::store
