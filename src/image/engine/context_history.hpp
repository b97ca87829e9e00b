// SPDX-License-Identifier: Apache-2.0
// What a builder may still hold of the contexts that it was sent from a build directory.
#pragma once

#include <map>
#include <string>

#include "util/file.hpp"

namespace bottle::image::engine {

// BuildKit takes a file for the one that it has if path, size and time are the same (fsutil, sameFile()), and
// keeps what it was sent under the name of the context's directory: `docker build` under the whole path,
// buildx under the last part of it. A time holds thirty bits of a content, so two contents of one size can
// look alike. So all that was sent under a name is noted, and a context with an entry that looks like another
// one before gets a new name, under which no builder has anything.
//
// The file: a line "bottle-sent 1 <random hex>", then one "<path> <how it looks> <what it is>" for each entry
// that was ever sent, words of escape_word().
class ContextHistory {
 public:
  // A file that is not there, or not whole, is the beginning of a new name.
  explicit ContextHistory(fs::path file);

  // That the context which is sent next has this entry. `looks` and `what` are words.
  void add(const std::string& path, const std::string& looks, const std::string& what);
  // The last part of the path of the context's directory, once all are added. Written down before it is
  // returned.
  std::string name();

 private:
  fs::path file_;
  std::string random_;                       // "": a new name is begun
  std::map<std::string, std::string> sent_;  // "<path> <looks>" -> what
  std::string current_;                      // lines of this context
  std::string added_;                        // those of them that are not in the file
  std::size_t entries_ = 0;                  // of this context
  bool is_ambiguous_ = false;
};

}  // namespace bottle::image::engine
