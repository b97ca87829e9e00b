// SPDX-License-Identifier: Apache-2.0
// What a tree looked like to stat(2) at one moment, to find what has changed since without reading it again.
//
// A file whose inode, size and time of change (st_ctim, which no program can set) are what they were has the
// bytes that it had, unless it changed within a tick of the file system's clock before that moment. Such
// files count as changed.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "util/file.hpp"

namespace bottle::run {

class TreeStamps {
 public:
  // Of all below `directory`, and of itself (""). `scratch` is a directory on the same file system, where a
  // file is made for a moment to learn that file system's time. Nothing at or below the paths in `without` is
  // looked at.
  TreeStamps(const fs::path& directory, const fs::path& scratch, std::vector<std::string> without = {});

  // Whether the entry with this path is, by its status now, what it was.
  bool is_unchanged(const std::string& path, const struct stat& status) const;
  // The path of something that has changed, appeared or gone since ("" for the tree itself); nullopt if
  // nothing has. Changes within the last tick before the stamps are not reported.
  std::optional<std::string> find_change(const fs::path& directory) const;

 private:
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec changed{};
    bool operator==(const Stamp& other) const;
  };
  static Stamp stamp_of(const struct stat& status);
  template <typename Visit>
  void walk(const fs::path& directory, const Visit& visit) const;

  std::vector<std::string> without_;
  std::unordered_map<std::string, Stamp> stamps_;
  timespec moment_{};
};

}  // namespace bottle::run
