// SPDX-License-Identifier: Apache-2.0
// The files of a tree that the sources of COPY and ADD name. The context scan uses it to know what to read
// and what the result depends on; copy() uses the same functions, so both always agree.
//
// Source of the rules: BuildKit, frontend/dockerfile/dockerfile2llb (dispatchCopy), and the copy package of
// tonistiigi/fsutil.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copy/glob.hpp"
#include "oci/merged_tree.hpp"

namespace bottle::copy {

// One source path, cleaned: relative to the root of the tree it is looked up in.
struct SourcePattern {
  std::string path;      // all of it; "" is the root
  std::string literal;   // the components before the first one with a wildcard, to be taken as they are
  std::string wildcard;  // the rest; "" if there is none, then `literal` is `path`
  // The source as written climbs above the root ("../x"). Docker takes the root for what is above it, so
  // "../x" means "x": legal, seldom meant, worth a word when nothing is found.
  bool climbs = false;

  explicit SourcePattern(std::string_view written);  // throws on a malformed wildcard
  bool is_wildcard() const { return glob.has_value(); }

  // Whether the path is what the source names. Paths below `literal` only (links in `literal` not followed).
  bool match(std::string_view path) const;
  // Whether something below the directory may be named: it is above or in `literal`, or the wildcard
  // continues. "" is the root.
  bool could_match_below(std::string_view directory) const;

  std::optional<Glob> glob;  // of `wildcard`, relative to `literal`
};

// One source of an instruction with the options that choose among what is below it.
struct Source {
  std::string written;
  SourcePattern pattern;
  // With --parents: what is taken of the tree that `pattern` names (only what is matched, with the
  // directories on the way). Relative to it, like `excludes`.
  std::optional<PathPatterns> includes;
  PathPatterns excludes;
  // With --parents and no wildcards: what must exist, relative to the tree's root.
  std::optional<std::string> required;

  // `relative` is a path below what `pattern` named, never "" (what is named itself is always taken).
  bool takes(std::string_view relative) const;
  // Whether something below the directory may be taken ("" is what is named itself).
  bool may_take_below(std::string_view relative) const;
};

// Throws Error for malformed patterns; it has no place, which the caller knows.
Source parse_source(std::string_view written, bool parents, const std::vector<std::string>& excludes);

// A directory tree that is queried piece by piece, so that its provider knows exactly what the answer depends
// on: every call is a dependency on the queried path, existing or not.
class SourceTree {
 public:
  enum class Kind { missing, directory, symlink, other };
  virtual ~SourceTree() = default;
  // Of a path relative to the root, "" being the root; never follows the last component, and the components
  // before it are never symbolic links.
  virtual Kind kind(const std::string& path) const = 0;
  virtual std::string read_link(const std::string& path) const = 0;
  // The names in a directory, sorted by bytes.
  virtual std::vector<std::string> list(const std::string& path) const = 0;
};

class MergedSourceTree : public SourceTree {
 public:
  explicit MergedSourceTree(const oci::MergedTree& tree) : tree_(tree) {}
  Kind kind(const std::string& path) const override;
  std::string read_link(const std::string& path) const override;
  std::vector<std::string> list(const std::string& path) const override;

 private:
  const oci::MergedTree& tree_;
};

// Something that a source names.
struct SourceMatch {
  std::string name;  // as it was named; its last component is what a file is called at the destination
  std::string path;  // with all symbolic links followed inside the root: what is copied. May not exist.
};

// What the source names, in the order in which it is copied. Without a wildcard exactly one match, which may
// not exist; with one, none or more. Symbolic links are followed where Docker follows them: in the literal
// part and as the last component of a match, not while a wildcard is matched.
// Throws when the directory that a wildcard is looked up in does not exist, and for loops of links.
std::vector<SourceMatch> find_matches(const SourceTree& tree, const SourcePattern& pattern);

// Follows symbolic links inside the root as chroot would; what does not exist is kept as it is.
std::string follow_links(const SourceTree& tree, std::string_view path, bool follow_last = true);

}  // namespace bottle::copy
