// SPDX-License-Identifier: Apache-2.0
#include "store/collect.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "store/action_file.hpp"
#include "store/layout.hpp"
#include "store/roots.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"

namespace bottle::store {
namespace {

// Explanations older than this are not shown by any tool.
constexpr std::time_t kTombstoneAge = std::time_t{90} * 24 * 60 * 60;

struct Blob {
  std::uint64_t size = 0;
  std::time_t used = 0;
  bool linked = false;         // has further names outside of the store
  std::size_t references = 0;  // by actions that stay
  bool removed = false;
};

struct Action {
  Digest key;
  std::uint64_t size = 0;
  std::time_t used = 0;
  std::vector<Digest> blobs;
  bool broken = false;
  bool kept = false;  // by a root
  bool evicted = false;
};

struct OldTree {
  Tree tree;
  bool evicted = false;
};

std::optional<struct stat> stat_if_there(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

void remove_file(const fs::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw_errno("cannot remove", path.native());
}

class Collection {
 public:
  Collection(const fs::path& directory, const CollectOptions& options)
      : layout_(directory), options_(options), now_(::time(nullptr)) {}

  CollectReport run() {
    read_blobs();
    read_actions();
    read_references();
    read_trees();
    report_.size_before = size_;
    drop_broken();
    drop_old();
    drop_orphans();
    if (options_.max_size) shrink(*options_.max_size);
    if (!options_.dry_run) remove();
    tidy();
    report_.size_after = size_;
    return report_;
  }

 private:
  void read_blobs() {
    for_each_file(layout_.blobs(), [&](const Digest& digest, const fs::path& path) {
      check_interrupted();
      const auto status = stat_if_there(path);
      if (!status) return;
      Blob blob;
      blob.size = static_cast<std::uint64_t>(status->st_size);
      blob.used = std::max(status->st_atim.tv_sec, status->st_mtim.tv_sec);
      blob.linked = status->st_nlink > 1;
      size_ += blob.size;
      blobs_.emplace(digest, blob);
    });
  }

  void read_actions() {
    for_each_file(layout_.actions(), [&](const Digest& key, const fs::path& path) {
      check_interrupted();
      const auto status = stat_if_there(path);
      if (!status) return;
      Action action;
      action.key = key;
      action.size = static_cast<std::uint64_t>(status->st_size);
      action.used = status->st_mtim.tv_sec;
      const ParsedAction parsed =
          action.size > kActionLimit ? ParsedAction{} : parse_action(key, read_file(path, kActionLimit));
      // What another version of Bottle wrote goes like the rest, by age; its blobs cannot be known.
      action.broken = !parsed.result && !parsed.other_version;
      if (parsed.result) {
        for (const auto& [name, output] : parsed.result->outputs) {
          const auto blob = blobs_.find(output.digest);
          if (blob == blobs_.end() || blob->second.size != output.size) action.broken = true;
          action.blobs.push_back(output.digest);
        }
      }
      for (const Digest& digest : action.blobs)
        if (const auto blob = blobs_.find(digest); blob != blobs_.end()) ++blob->second.references;
      size_ += action.size;
      actions_.push_back(std::move(action));
    });
    // The least recently used first; the key makes the order one and the same every time.
    std::sort(actions_.begin(), actions_.end(), [](const Action& a, const Action& b) {
      return std::pair(a.used, a.key) < std::pair(b.used, b.key);
    });
  }

  void read_references() {
    std::unordered_set<Digest, DigestHash> keys;
    for (const Root& root : read_roots(layout_)) {
      if (root.stale) {
        ++report_.roots_dropped;
        if (!options_.dry_run) remove_file(root.file);
      } else {
        keys.insert(root.keys.begin(), root.keys.end());
      }
    }
    if (!options_.keep_referenced) return;
    for (Action& action : actions_)
      action.kept = keys.contains(action.key);
  }

  void read_trees() {
    if (!options_.trees) return;
    for (const Tree& tree : options_.trees()) {
      trees_.push_back({tree, false});
      size_ += tree.bytes;
    }
  }

  void evict(OldTree& tree) {
    tree.evicted = true;
    size_ -= tree.tree.bytes;
    ++(tree.tree.is_garbage ? report_.temporaries_removed : report_.trees_evicted);
  }

  bool older_than(std::time_t used, std::uint64_t seconds) const {
    return used<now_&& static_cast<std::uint64_t>(now_ - used)> seconds;
  }

  void evict(Action& action) {
    action.evicted = true;
    size_ -= action.size;
    for (const Digest& digest : action.blobs) {
      const auto blob = blobs_.find(digest);
      if (blob != blobs_.end() && --blob->second.references == 0) take(blob->second);
    }
  }

  void take(Blob& blob) {
    blob.removed = true;
    size_ -= blob.size;
  }

  void drop_broken() {
    for (OldTree& tree : trees_)
      if (tree.tree.is_garbage) evict(tree);
    for (Action& action : actions_) {
      if (!action.broken) continue;
      evict(action);
      ++report_.actions_broken;
    }
  }

  void drop_old() {
    if (!options_.max_age) return;
    for (OldTree& tree : trees_)
      if (!tree.evicted && older_than(tree.tree.used, *options_.max_age)) evict(tree);
    for (Action& action : actions_) {
      if (action.evicted || !older_than(action.used, *options_.max_age)) continue;
      if (keep(action)) continue;
      evict(action);
      ++report_.actions_evicted;
    }
  }

  bool keep(Action& action) {
    if (action.kept && counted_.insert(action.key).second) {
      report_.bytes_kept_by_references += action.size;
      for (const Digest& digest : action.blobs)
        if (counted_.insert(digest).second) report_.bytes_kept_by_references += blobs_.at(digest).size;
    }
    return action.kept;
  }

  void drop_orphans() {
    for (auto& [digest, blob] : blobs_)
      if (blob.references == 0 && !blob.removed && older_than(blob.used, options_.orphan_grace)) take(blob);
  }

  void shrink(std::uint64_t limit) {
    if (size_ <= limit) return;
    for (auto& [digest, blob] : blobs_)
      if (blob.references == 0 && !blob.removed) take(blob);
    auto tree = trees_.begin();
    const auto evict_trees = [&](std::optional<std::time_t> before) {
      for (; tree != trees_.end() && size_ > limit; ++tree) {
        if (tree->evicted) continue;
        if (before && tree->tree.used > *before) return;
        evict(*tree);
      }
    };
    for (Action& action : actions_) {
      evict_trees(action.used);
      if (size_ <= limit) return;
      if (action.evicted || keep(action)) continue;
      evict(action);
      ++report_.actions_evicted;
    }
    evict_trees(std::nullopt);
    report_.over_max_size = size_ > limit;
  }

  // Actions first: killed in between, the store has blobs too many, never an action without its blobs.
  void remove() {
    for (const Action& action : actions_) {
      check_interrupted();
      if (action.evicted) bury(action);
    }
    for (const auto& [digest, blob] : blobs_) {
      check_interrupted();
      if (blob.removed) remove_file(layout_.blob(digest));
    }
    std::vector<std::string> names;
    for (const OldTree& tree : trees_)
      if (tree.evicted) names.push_back(tree.tree.name);
    if (!names.empty()) options_.remove_trees(names);
  }

  // The action's own file becomes its tombstone: a rename needs no space on a full disk. If even the
  // directory for it cannot be made, the answer "evicted" is lost and the space is gained.
  void bury(const Action& action) {
    const fs::path path = layout_.action(action.key);
    const fs::path tombstone = layout_.tombstone(action.key);
    if (action.broken) return remove_file(path);
    try {
      if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) throw_errno("cannot change", path.native());
      if (publish(path, tombstone)) remove_file(path);
    } catch (const Error&) {
      remove_file(path);
    }
  }

  void tidy() {
    for (const auto& [digest, blob] : blobs_) {
      if (!blob.removed) {
        ++report_.blobs_kept;
        continue;
      }
      ++report_.blobs_removed;
      if (blob.linked) report_.bytes_still_linked += blob.size;
    }
    for (const Action& action : actions_)
      report_.actions_kept += action.evicted ? 0 : 1;
    for (const OldTree& tree : trees_)
      report_.trees_kept += tree.evicted ? 0 : 1;

    // Writers hold the lock that we hold exclusively: everything temporary belongs to a process that is gone.
    std::error_code error;
    for (fs::directory_iterator entry(layout_.temporaries(), error);
         !error && entry != fs::directory_iterator(); entry.increment(error)) {
      ++report_.temporaries_removed;
      std::error_code failure;
      if (!options_.dry_run) fs::remove_all(entry->path(), failure);
      if (failure) throw_errno("cannot remove", entry->path().native(), failure.value());
    }
    for_each_file(layout_.tombstones(), [&](const Digest&, const fs::path& path) {
      const auto status = stat_if_there(path);
      if (!status || now_ - status->st_mtim.tv_sec <= kTombstoneAge) return;
      ++report_.tombstones_removed;
      if (!options_.dry_run) remove_file(path);
    });
  }

  Layout layout_;
  const CollectOptions& options_;
  std::time_t now_;
  std::uint64_t size_ = 0;
  std::unordered_map<Digest, Blob, DigestHash> blobs_;
  std::vector<Action> actions_;
  std::vector<OldTree> trees_;
  std::unordered_set<Digest, DigestHash> counted_;
  CollectReport report_;
};

}  // namespace

CollectReport collect(const fs::path& directory, const CollectOptions& options) {
  std::error_code error;
  if (!fs::exists(directory, error)) {
    if (error) throw_errno("cannot read the store", directory.native(), error.value());
    return {};
  }
  const Layout layout(directory);
  auto lock = FileLock::try_lock(layout.lock(), FileLock::Mode::exclusive);
  if (!lock) {
    if (options.on_wait) options.on_wait();
    lock.emplace(layout.lock(), FileLock::Mode::exclusive);
  }
  return Collection(directory, options).run();
}

}  // namespace bottle::store
