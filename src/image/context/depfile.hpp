// SPDX-License-Identifier: Apache-2.0
// Depfiles: "<target>: <path>...", as Ninja, Make and CMake, which rewrites them for both, read them.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "util/file.hpp"

namespace bottle::image::context {

// A file or directory that a result depends on.
struct Dependency {
  std::string path;            // absolute
  std::int64_t mtime_ns = -1;  // at the time of the scan; -1: unknown
  auto operator<=>(const Dependency&) const = default;
};

// Of a sorted list: leaves each path once, with the newer time, or none if one is not known.
void remove_repeated(std::vector<Dependency>& dependencies);

// The text, with blanks, '#' and '$' escaped. With `empty_rules` each path is also the target of a rule
// without prerequisites and commands, as `gcc -MP` writes them: Make then takes a path that no longer exists
// for changed, where it would end with an error. Ninja has no use for them.
std::string depfile(const std::string& target, const std::vector<std::string_view>& paths,
                    bool empty_rules = false);

// The paths in a form that every reader of depfiles understands. None of them has a way to write all names:
// what follows a ':' or ';' is lost to Make, '#', '$' and '*' are lost on the way through CMake to Ninja, and
// a file that is looked for under half its name makes every build stale or endless. So a path that is not
// plain is named through a symbolic link in the directory `links` (made when needed), which holds afterwards
// the links that are needed and nothing else.
std::vector<std::string> plain_paths(const std::vector<std::string>& paths, const fs::path& links);

// The same one by one, without copies of those that are plain.
class PlainPaths {
 public:
  explicit PlainPaths(fs::path links) : links_(std::move(links)) {}
  // Good as long as `path` and this are.
  std::string_view plain(std::string_view path);
  // Removes the links that are not needed, after the last path.
  void finish() const;

 private:
  fs::path links_;
  std::set<std::string> needed_;
  std::deque<std::string> texts_;
};

}  // namespace bottle::image::context
