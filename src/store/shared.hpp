// What the copies of an open store share. For the files of this room only.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <set>

#include "store/layout.hpp"

namespace bottle::store {

struct Shared {
  explicit Shared(const fs::path& root) : layout(root) {}

  Layout layout;
  std::optional<FileLock> lock;  // shared; nullopt only where the lock file can be neither opened nor made
  std::atomic<unsigned> temporaries{0};
  std::mutex mutex;
  std::set<Digest> reported;  // what has been noted on stderr, once each

  // A new file below tmp/, open for reading and writing. Its permissions are `mode` less the umask.
  struct Temporary {
    Fd file;
    fs::path path;
  };
  Temporary make_temporary(mode_t mode);
  // Writes `text` to a temporary file and publishes it as `target`.
  void write(const fs::path& target, std::string_view text);
};

}  // namespace bottle::store
