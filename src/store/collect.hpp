// Collection: making a store smaller without taking anything from a build that runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "util/file.hpp"

namespace bottle::store {

struct CollectOptions {
  std::optional<std::uint64_t> max_size;  // bytes of blobs and actions to stay below
  std::optional<std::uint64_t> max_age;   // seconds since the last use
  bool keep_referenced = false;           // keep what existing build directories were made from
  bool dry_run = false;
  // Blobs that no action names are spared for this long, in seconds: the step that names them may still be to
  // come. max_size takes them all the same, before any action.
  std::uint64_t orphan_grace = 60 * 60;
  // Said once if a build holds the store and collection has to wait for it.
  std::function<void()> on_wait = {};
};

struct CollectReport {
  std::uint64_t size_before = 0;  // bytes of blobs and actions
  std::uint64_t size_after = 0;
  std::uint64_t actions_kept = 0;
  std::uint64_t actions_evicted = 0;  // by age or size
  std::uint64_t actions_broken = 0;   // without their blobs, or not to be understood
  std::uint64_t blobs_kept = 0;
  std::uint64_t blobs_removed = 0;
  std::uint64_t bytes_still_linked = 0;  // of removed blobs that build trees go on holding as hard links
  std::uint64_t temporaries_removed = 0;
  std::uint64_t tombstones_removed = 0;
  std::uint64_t roots_dropped = 0;
  std::uint64_t bytes_kept_by_references = 0;  // by keep_referenced, against max_size or max_age
  bool over_max_size = false;                  // what is referenced alone is larger than max_size
};

// Evicts least recently used actions until the limits hold, then removes blobs that no action names, what
// killed processes left, old tombstones, and roots whose directory is gone. Waits until no other process
// holds the store open (a Store object of this process must not be open either: it would wait for ever). A
// directory that does not exist is an empty store. Killed at any point it leaves a valid store.
CollectReport collect(const fs::path& directory, const CollectOptions& options);

}  // namespace bottle::store
