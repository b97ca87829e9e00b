#include "store/shared.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "util/error.hpp"

namespace bottle::store {

void Shared::write_elsewhere() {
  scratch = std::make_unique<TemporaryDirectory>();
  below.emplace(layout.root());
  layout = Layout(scratch->path());
  umask.reset();
  for (const fs::path& part : {layout.blobs(), layout.actions(), layout.temporaries()})
    make_directories(part);
  // What is known of files that were read before, for reading.
  std::error_code ignored;  // without it they are read again
  fs::create_directory_symlink(below->root() / "stat", layout.root() / "stat", ignored);
}

fs::path Shared::found(const fs::path& here, const fs::path& other, const Digest& id) {
  if (::access(here.c_str(), F_OK) == 0) return here;
  const std::lock_guard guard(mutex);
  return dropped.contains(id) || ::access(other.c_str(), F_OK) != 0 ? here : other;
}

fs::path Shared::blob(const Digest& digest) {
  return below ? found(layout.blob(digest), below->blob(digest), digest) : layout.blob(digest);
}

fs::path Shared::action(const Digest& key) {
  return below ? found(layout.action(key), below->action(key), key) : layout.action(key);
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

void Shared::publish(const fs::path& from, const fs::path& target) const {
  if (umask) make_directory(target.parent_path());
  store::publish(from, target);
}

Shared::Temporary Shared::make_temporary(mode_t mode) {
  if (below && !has_written.exchange(true))
    std::fprintf(stderr, "bottle: the store %s cannot be written to: what is made now is not kept there\n",
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
