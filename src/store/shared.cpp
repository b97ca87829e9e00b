#include "store/shared.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "util/error.hpp"

namespace bottle::store {

Shared::Temporary Shared::make_temporary(mode_t mode) {
  while (true) {
    // Process ids repeat, also at the same time in containers that share a store: O_EXCL settles it.
    fs::path path = layout.temporaries() / (std::to_string(::getpid()) + "." + std::to_string(temporaries++));
    Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (file) return {std::move(file), std::move(path)};
    if (errno == ENOENT && !fs::exists(layout.temporaries()))
      make_directories(layout.temporaries());
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
