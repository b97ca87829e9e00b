// SPDX-License-Identifier: Apache-2.0
// Collection: making a store smaller without taking anything from a build that runs.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "util/file.hpp"

namespace bottle::store {

// An item in the store's directory that is neither a blob nor an action; another room knows how to measure
// and remove it.
struct Tree {
  std::string name;
  std::uint64_t bytes = 0;
  std::time_t used = 0;
  bool is_garbage = false;  // nothing needs it
};

struct CollectOptions {
  std::optional<std::uint64_t> max_size;  // bytes of blobs, actions and trees to stay below
  std::optional<std::uint64_t> max_age;   // seconds since the last use
  bool keep_referenced = false;           // keep what existing build directories were made from
  bool dry_run = false;
  // Blobs that no action names are spared for this long, in seconds: the step that names them may still be to
  // come. max_size takes them all the same, before any action.
  std::uint64_t orphan_grace = 3600;
  // What trees there are that may go, in the order in which they may; called when builds can no longer run,
  // as is their removal.
  std::function<std::vector<Tree>()> trees = {};
  std::function<void(const std::vector<std::string>&)> remove_trees = {};
  // Said once if a build holds the store and collection has to wait for it.
  std::function<void()> on_wait = {};
};

struct CollectReport {
  std::uint64_t size_before = 0;  // bytes of blobs, actions and trees
  std::uint64_t size_after = 0;
  std::uint64_t actions_kept = 0;
  std::uint64_t actions_evicted = 0;  // by age or size
  std::uint64_t actions_broken = 0;   // without their blobs, or not to be understood
  std::uint64_t blobs_kept = 0;
  std::uint64_t blobs_removed = 0;
  std::uint64_t trees_kept = 0;
  std::uint64_t trees_evicted = 0;       // by age or size
  std::uint64_t bytes_still_linked = 0;  // of removed blobs that build trees still hold as hard links
  std::uint64_t temporaries_removed = 0;
  std::uint64_t tombstones_removed = 0;
  std::uint64_t roots_dropped = 0;
  std::uint64_t bytes_kept_by_references = 0;  // by keep_referenced, against max_size or max_age
  bool over_max_size = false;                  // what is referenced alone is larger than max_size
};

// Evicts least recently used actions until the limits hold, then removes blobs that no action names, what
// killed processes left, old tombstones, and roots whose directory is gone. Waits until no other process
// holds the store open (a Store object of this process must not be open either: it would wait forever). A
// directory that does not exist is an empty store. Killed at any point it leaves a valid store.
CollectReport collect(const fs::path& directory, const CollectOptions& options);

}  // namespace bottle::store
