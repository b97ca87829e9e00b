// SPDX-License-Identifier: Apache-2.0
// The files of a directory that the COPY and ADD instructions of a Dockerfile use: found by walking only what
// they name, digested only where the stat cache does not know the file, and listed for the depfile. Nothing
// outside the directory is ever looked at: symbolic links are followed by hand, inside the root.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copy/selection.hpp"
#include "copy/sources.hpp"
#include "image/context/depfile.hpp"
#include "oci/layer_index.hpp"
#include "util/file.hpp"

namespace bottle::dockerfile {
class IgnoreMatcher;
}

namespace bottle::image::context {

class StatCache;
struct WalkCache;
struct WalkNode;

struct ScanOptions {
  fs::path root;                      // the context directory, absolute
  std::string root_name = "context";  // for Place::root
  std::vector<fs::path> excludes;     // directories that are not part of the context, by whatever path
  const dockerfile::IgnoreMatcher* ignore = nullptr;  // null: nothing is ignored; must outlive the scan
  std::string ignore_name;                            // the ignore file, for messages
  bool git_modes = false;                             // see BuildSpec::git_modes
  // If not empty, the context is not `root` but exactly these regular files, each found under its name (a
  // target's files, which lie in any directories). Their places have separate roots: "<root_name>#<n>", in
  // order of the names.
  std::map<std::string, fs::path> files = {};
  // If there, what an earlier scan with the same options took, all sets together and sorted by path: nothing
  // is looked at then, the sets are made of these alone, and the dependencies are unknown. Left empty.
  std::optional<std::vector<oci::Entry>> recorded = std::nullopt;
};

// Build trees are not part of a context: those in ScanOptions::excludes, and directories in it that are
// CMake's (they hold CMakeCache.txt), unless one of the sources names such a tree or something in it.
class ContextScan : public copy::SourceTree {
 public:
  ContextScan(ScanOptions options, const fs::path& store_directory);
  ~ContextScan() override;

  // Adds what one source of COPY or ADD names; the calls up to the next close() are one set. Throws if a
  // source without wildcards names nothing; the hint names an ignore rule that hides it.
  void take(const copy::Source& source);
  // Ends a set (one instruction's sources) and returns its number. What `detail` leaves out has a fixed value
  // in the set's entries.
  std::size_t close(const copy::EntryDetail& detail = {});

  // Digests what was taken. Throws when a file keeps changing while it is read.
  void digest_files();
  // The entries of a set, sorted by path; the root directory itself is never among them. After digest_files()
  // only.
  oci::LayerIndex index(std::size_t set) const;
  // The entries of all sets, each one once and without its place, sorted by path.
  void for_each_entry(const std::function<void(const oci::Entry&)>& visit) const;

  // Gives back what it has found: then context_roots() alone may be asked.
  void release();

  // What the roots of places stand for.
  std::map<std::string, fs::path> context_roots() const;
  // Absolute paths for a depfile: files that were taken, and the directories below the root that were
  // searched, lead to something taken (an older file may replace it), or hold a symbolic link that was
  // followed (a depfile cannot name a link: its own times are not looked at).
  std::vector<Dependency> dependencies() const;
  // The paths by which the context is known, with the links in them: its directory, or its files.
  const std::vector<fs::path>& named_paths() const { return named_paths_; }
  bool holds_files() const { return !options_.files.empty(); }  // ScanOptions::files
  // CMake's build trees that a source would have taken, relative to the root.
  std::vector<std::string> build_trees() const;
  // How many files were read because the stat cache did not know them.
  std::size_t files_read() const { return files_read_; }

  // SourceTree: what the ignore rules and excludes leave of the directory. Looking is remembered
  // (dependencies()).
  Kind kind(const std::string& path) const override;
  std::string read_link(const std::string& path) const override;
  std::vector<std::string> list(const std::string& path) const override;

 private:
  using Item = std::pair<const std::string, WalkNode>;
  using Items = std::vector<Item*>;  // sorted by path, each one once
  struct Set {
    Items items;
    copy::EntryDetail detail;
    const Item* named = nullptr;  // a directory of which only what is below it matters
  };

  const WalkNode* look(const std::string& path) const;
  const std::vector<std::string>& raw_list(const std::string& path) const;
  bool is_left_out(const std::string& path, const WalkNode& node) const;
  void name(const copy::Source& source);
  void take_one(const copy::Source& source);
  bool ignored(const std::string& path, bool is_directory) const;
  bool matches_rules(const std::string& path) const;
  bool holds_anything(const std::string& directory) const;
  bool take_below(const copy::Source& source, const std::string& root, const std::string& relative);
  std::string absolute(const std::string& path) const;
  void digest(Item& item) const;
  oci::Place place(const std::string& path, oci::LayerIndex& index) const;
  void take_path(const std::string& path);

  ScanOptions options_;
  std::vector<fs::path> named_paths_;
  Fd root_;
  std::unique_ptr<StatCache> cache_;
  std::unique_ptr<WalkCache> walk_cache_;
  std::vector<std::vector<copy::Source>> sources_{1};  // of each set; the last is open
  Items current_;                                      // as taken: not sorted yet
  std::size_t matches_ = 0;                            // of sources in it
  Item* named_ = nullptr;                              // the directory that the last of them is
  std::vector<Set> sets_;
  Items all_;  // all sets together
  std::size_t files_read_ = 0;
};

}  // namespace bottle::image::context
