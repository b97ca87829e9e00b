// SPDX-License-Identifier: Apache-2.0
// Ignore files (.dockerignore) and the matching of paths against their patterns, as moby/patternmatcher does
// it, and the short cuts of a directory walk, as BuildKit's file transfer (fsutil) takes them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "util/error.hpp"

namespace bottle::dockerfile {

// A pattern that means nothing. `where` is empty: the caller knows the file.
class IgnoreError : public Error {
 public:
  using Error::Error;
};

// The patterns of an ignore file: comments and blank lines left out, cleaned, "/" at the start taken off. "!"
// stays.
std::vector<std::string> read_ignore_file(std::string_view text);

// Paths are relative to the context, with "/" separators, without "./" or a leading "/". All members may be
// called from several threads at once.
class IgnoreMatcher {
 public:
  IgnoreMatcher();  // ignores nothing
  // Throws IgnoreError for a pattern with bad syntax. Some faults only show when the pattern is needed, and
  // are then thrown by the matching functions (the reference matcher does the same, and such a pattern may
  // never be needed).
  explicit IgnoreMatcher(const std::vector<std::string>& patterns);
  ~IgnoreMatcher();
  IgnoreMatcher(IgnoreMatcher&&) noexcept;
  IgnoreMatcher& operator=(IgnoreMatcher&&) noexcept;

  bool empty() const;
  bool has_exceptions() const;                       // any "!" pattern
  const std::vector<std::string>& patterns() const;  // cleaned, exceptions without "!"
  bool is_exception(std::size_t pattern) const;

  // Whether the path, or a directory above it, is ignored by the last pattern that matches it.
  bool matches(std::string_view path) const;

  // For walks: which patterns matched a directory. What has matched a directory matches all below it. One for
  // each directory on the way down; the root's is empty, and an empty one costs a look at every parent.
  struct Results {
    std::vector<char> matched;
  };
  // The same for an entry of the directory whose results are `parent`. For a directory `own` gets its
  // results; it may be null otherwise. Differs from matches(path) as BuildKit's transfer does: an exception
  // for a directory that was not ignored is forgotten below it.
  bool matches(std::string_view path, const Results& parent, Results* own) const;
  // For an ignored directory: nothing below it can be taken back in, so that it need not be read.
  bool may_skip(std::string_view directory) const;

 private:
  struct Pattern;
  std::vector<Pattern> compiled_;
  std::vector<std::string> patterns_;
  bool has_exceptions_ = false;
  bool plain_exceptions_ = true;  // no "!" pattern has wildcards, save at the end
};

}  // namespace bottle::dockerfile
