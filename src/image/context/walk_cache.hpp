// SPDX-License-Identifier: Apache-2.0
// What a ContextScan has seen of a directory, and what it looks at ahead of its walk. Part of ContextScan,
// for its own files alone.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "copy/selection.hpp"
#include "dockerfile/ignore.hpp"
#include "image/context/stat_cache.hpp"
#include "oci/entry.hpp"
#include "util/file.hpp"
#include "util/shared_text.hpp"

namespace bottle::image::context {

inline constexpr std::string_view kBuildTreeFile = "CMakeCache.txt";

struct WalkNode {
  bool exists = false;
  mode_t mode = 0;
  FileStatus status;
  std::uint64_t device = 0;  // of a device node
  SharedText link;
  FileContent content;
  std::int64_t read_at = 0;  // when reading the content began; ns since 1970
  copy::EntryDetail detail{
      .modes = false, .user_xattrs = false, .named = false};  // what some set needs of it
};

// What was looked at, remembered: an answer is the same however often it is asked for, and all of it is a
// dependency.
struct WalkCache {
  struct Rules {
    bool ignored = false;
    dockerfile::IgnoreMatcher::Results results;
  };
  std::unordered_map<std::string, WalkNode> nodes;           // absent ones too
  std::map<std::string, std::vector<std::string>> listings;  // searched directories
  std::map<std::string, bool> holds_anything;                // of ignored directories
  std::map<std::string, Rules> rules;                        // of directories
  std::set<std::string> links;                               // symbolic links that were followed

  // Directories that are not part of the context, by device and inode: paths to them differ.
  std::set<std::pair<std::uint64_t, std::uint64_t>> excluded;
  std::set<std::string> named;        // literal parts of sources: a build tree that holds one is taken
  std::set<std::string> build_trees;  // of CMake, and left out
  std::set<std::string> noted;        // those of them that a source would have taken

  // What lies in a directory that will be walked: found out ahead of the walk, on several threads.
  struct Child {
    std::string name;
    mode_t mode = 0;  // 0: gone
    FileStatus status;
    std::uint64_t device = 0;
  };
  std::unordered_map<std::string, std::vector<Child>> ahead;

  // The names in a directory, sorted; `name` is for messages.
  static std::vector<std::string> names_in(const Fd& directory, const std::string& name);
  bool is_excluded(const FileStatus& status) const {
    return excluded.contains({status.device, status.inode});
  }
  bool is_named(const std::string& directory) const;
  // Finds out what lies below `top`, a path relative to the open directory `root`. Directories that cannot be
  // read are left to the walk, which reports them.
  void look_ahead(int root, const std::string& root_name, const std::string& top);
  // As look() would; what takes more than its status is left to that.
  void remember(const std::string& directory, const Child& child);
  // As if all of them, and the directories on the way to them, had been looked at, and nothing else were
  // there. What a source takes is taken of this as of the directory itself, since all that a source took is
  // here.
  void take_record(std::vector<oci::Entry> entries);
};

}  // namespace bottle::image::context
