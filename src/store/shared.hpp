// SPDX-License-Identifier: Apache-2.0
// What the copies of an open store share. For the files of this room only.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "store/layout.hpp"

namespace bottle::store {

// What processes that were forked from this one know too: they write for it, and tell the user once.
class Flags {
 public:
  struct Values {
    std::atomic<bool> has_aside{false};    // something was written to Shared::aside
    std::atomic<bool> has_written{false};  // that it is not kept was noted
  };
  Flags();
  ~Flags();
  Flags(const Flags&) = delete;
  Values* operator->() const { return values_; }

 private:
  Values* values_;
};

struct Shared {
  explicit Shared(const fs::path& root) : layout(root) {}

  Layout layout;  // of where things are written to
  // A store that cannot be written to. Then `layout` is that of a temporary directory, which goes with this
  // object, and what is not there is looked up here.
  std::optional<Layout> below;
  std::unique_ptr<TemporaryDirectory> scratch;
  // The same for single directories of a store that otherwise can be written to: what belongs in them goes to
  // a temporary directory, made with the first such file.
  std::optional<Layout> aside;
  Flags flags;
  std::set<Digest> dropped;     // damaged, and could not be removed
  std::optional<mode_t> umask;  // of BOTTLE_CACHE_UMASK; without, the process's holds

  void write_elsewhere();
  // Where the blob or the action is, or would be.
  fs::path blob(const Digest& digest);
  fs::path action(const Digest& key);
  // The permissions of a new file whose mode would be `mode`.
  mode_t masked(mode_t mode) const { return umask ? mode & ~*umask : mode; }
  // Makes the directory with those above it, for all who may use the store.
  void make_directory(const fs::path& path) const;
  // Excludes from lookups what is damaged and could not be removed.
  void disregard(const Digest& id);
  // Makes `aside` before processes are forked, because what each of them made would go with it: if
  // `is_needed`, or if a directory of blobs or actions is not writable.
  void prepare_aside(bool is_needed);
  // Says that what belongs in the directory is not kept.
  void note_unwritable(const fs::path& directory);
  // Renames a temporary file to `target`.
  void publish(const fs::path& from, const fs::path& target);
  std::optional<FileLock> lock;  // shared; nullopt only where the lock file can be neither opened nor made
  std::atomic<unsigned> temporaries{0};
  std::mutex mutex;
  std::set<Digest> reported;  // what has been noted on stderr, once each

  // A new file below tmp/, open for reading and writing. Its permissions are `mode` less the umask in force.
  struct Temporary {
    Fd file;
    fs::path path;
  };
  Temporary make_temporary(mode_t mode);
  // Writes `text` to a temporary file and publishes it as `target`.
  void write(const fs::path& target, std::string_view text);

 private:
  using PlaceOf = fs::path (Layout::*)(const Digest&) const;
  fs::path find(PlaceOf place_of, const Digest& id);
  void publish_aside(const fs::path& from, const fs::path& target);
  void make_aside();
};

}  // namespace bottle::store
