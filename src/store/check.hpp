// SPDX-License-Identifier: Apache-2.0
// Looking at a store: figures, and whether everything in it is what it says it is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace bottle::store {

struct KindFigures {
  std::uint64_t actions = 0;
  std::uint64_t bytes = 0;  // of their outputs; one named by several actions counts for each
};

struct Figures {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t actions = 0;
  std::uint64_t action_bytes = 0;
  std::map<std::string, KindFigures> kinds;
  std::uint64_t unreferenced_blobs = 0;
  std::uint64_t unreferenced_bytes = 0;
  std::uint64_t evicted = 0;  // tombstones
  std::uint64_t damaged = 0;
  std::uint64_t roots = 0;
  std::uint64_t temporaries = 0;  // of running processes, or left by killed ones
};

// Of the store in `directory`; one that does not exist is empty. Creates and locks nothing.
Figures figures(const fs::path& directory);

struct Finding {
  enum class Kind { blob, action, stray };
  Kind kind;
  std::string name;     // digest, key, or for a stray file its path
  std::string problem;  // "the content has digest sha256:..."
  bool dropped = false;
};

struct Verification {
  std::uint64_t blobs = 0;  // that were read
  std::uint64_t bytes = 0;
  std::uint64_t actions = 0;
  std::vector<Finding> findings;
};

// Reads every blob of the store, which was opened in `directory`, on `threads` threads and every action;
// drops what is damaged. Files that do not belong into a store are found and left.
Verification verify(const Store& store, const fs::path& directory, std::size_t threads);

}  // namespace bottle::store
