// SPDX-License-Identifier: Apache-2.0
#include "run/run_gc.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "run/run_directory.hpp"
#include "run/snapshot.hpp"
#include "run/unpack.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

constexpr std::uint64_t kStatBlock = 512;  // stat(2), st_blocks

// What the tree takes on the disk, names of one inode counted once.
std::uint64_t disk_usage(const fs::path& top) {
  std::uint64_t bytes = 0;
  std::set<std::pair<dev_t, ino_t>> several;
  const auto add = [&](const fs::path& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return;
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1 &&
        !several.insert({status.st_dev, status.st_ino}).second)
      return;
    bytes += static_cast<std::uint64_t>(status.st_blocks) * kStatBlock;
  };
  add(top);
  std::error_code error;
  for (fs::recursive_directory_iterator item(top, fs::directory_options::skip_permission_denied, error), end;
       !error && item != end; item.increment(error))
    add(item->path());
  return bytes;
}

std::time_t changed(const fs::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_mtim.tv_sec : 0;
}

bool may_look_at(const std::string& owner, IdMapping id_mapping, unsigned user) {
  if (id_mapping == IdMapping::root || owner == cache_owner(id_mapping, user)) return true;
  return id_mapping == IdMapping::subordinate && owner == cache_owner(IdMapping::single, user);
}

struct Found {
  CachedTree tree;
  std::string parent;  // of a snapshot: a path in the store
};

void find_snapshots(const fs::path& store, const std::string& owner, std::vector<Found>& all) {
  const std::string folder = "snapshots/" + owner;
  std::map<std::string, Found> found;
  for (const std::string& name : directory_names(store / folder)) {
    const fs::path place = store / folder / name;
    Found item;
    item.tree = {.kind = CachedTree::Kind::snapshot,
                 .name = folder + "/" + name,
                 .bytes = disk_usage(place),
                 .used = changed(place / "parent"),
                 .is_locked = false,
                 .problem = {}};
    const auto facts = read_snapshot(place);
    if (!facts)
      item.tree.problem = "the file that names its base is missing";
    else if (!facts->parent.empty())
      item.parent = folder + "/" + facts->parent;
    found.emplace(item.tree.name, std::move(item));
  }
  // A snapshot that is based on another keeps that in use, and cannot be used without it.
  for (auto& [name, item] : found) {
    std::set<std::string> seen;
    for (std::string below = item.parent; !below.empty() && seen.insert(below).second;) {
      const auto next = found.find(below);
      if (next == found.end()) {
        item.tree.problem = "the snapshot " + below + " , its base, is missing";
        break;
      }
      next->second.tree.used = std::max(next->second.tree.used, item.tree.used);
      below = next->second.parent;
    }
  }
  // The more stand below one, the sooner it comes.
  std::vector<std::pair<std::size_t, std::string>> order;
  for (const auto& [name, item] : found) {
    std::size_t depth = 0;
    for (auto next = found.find(item.parent); next != found.end() && depth <= found.size();
         next = found.find(next->second.parent))
      ++depth;
    order.emplace_back(depth, name);
  }
  std::sort(order.rbegin(), order.rend());
  for (const auto& [depth, name] : order)
    all.push_back(std::move(found.at(name)));
}

// The locks of a cache's numbered directories, all of them or none.
std::optional<std::vector<FileLock>> lock_cache(const fs::path& place) {
  std::vector<FileLock> locks;
  std::error_code error;
  for (fs::directory_iterator item(place, error), end; !error && item != end; item.increment(error)) {
    if (item->path().extension() != ".lock") continue;
    auto lock = FileLock::try_lock(item->path(), FileLock::Mode::exclusive);
    if (!lock) return std::nullopt;
    locks.push_back(std::move(*lock));
  }
  return locks;
}

void find_caches(const fs::path& store, const std::string& owner, std::vector<Found>& all) {
  const std::string folder = "cache/" + owner;
  for (const std::string& name : directory_names(store / folder)) {
    const fs::path place = store / folder / name;
    Found item;
    item.tree = {.kind = CachedTree::Kind::cache,
                 .name = folder + "/" + name,
                 .bytes = disk_usage(place),
                 .used = changed(place / "id"),
                 .is_locked = !lock_cache(place),
                 .problem = {}};
    all.push_back(std::move(item));
  }
}

void find_left(const fs::path& store, std::vector<Found>& all) {
  const fs::path runs = store / "run";
  if (!fs::exists(runs)) return;
  // A directory without a lock is not a new one while this is held.
  const FileLock making(runs / ".lock", FileLock::Mode::exclusive);
  for (const std::string& name : directory_names(runs)) {
    if (!FileLock::try_lock(runs / name / "lock", FileLock::Mode::exclusive)) continue;
    Found item;
    item.tree = {.kind = CachedTree::Kind::leftover,
                 .name = "run/" + name,
                 .bytes = disk_usage(runs / name),
                 .used = changed(runs / name),
                 .is_locked = false,
                 .problem = "left by a RUN that was killed"};
    all.push_back(std::move(item));
  }
}

std::vector<CachedTree> find_all(const fs::path& store, IdMapping id_mapping, unsigned user) {
  std::vector<Found> found;
  find_left(store, found);
  for (const std::string& owner : directory_names(store / "snapshots"))
    if (may_look_at(owner, id_mapping, user)) find_snapshots(store, owner, found);
  for (const std::string& owner : directory_names(store / "cache"))
    if (may_look_at(owner, id_mapping, user)) find_caches(store, owner, found);
  std::vector<CachedTree> trees;
  trees.reserve(found.size());
  for (Found& item : found)
    trees.push_back(std::move(item.tree));
  std::stable_sort(trees.begin(), trees.end(),
                   [](const CachedTree& a, const CachedTree& b) { return a.used < b.used; });
  return trees;
}

// Between the process that can look and the one that wants to know: a line a tree.
std::string serialize(const std::vector<CachedTree>& trees) {
  std::string text;
  for (const CachedTree& tree : trees)
    text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", static_cast<int>(tree.kind), tree.name, tree.bytes,
                        tree.used, tree.is_locked ? 1 : 0, tree.problem);
  return text;
}

std::vector<CachedTree> parse(const std::string& text) {
  std::vector<CachedTree> trees;
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() != 6) continue;
    trees.push_back({.kind = static_cast<CachedTree::Kind>(parse_unsigned(fields[0]).value_or(0)),
                     .name = std::string(fields[1]),
                     .bytes = parse_unsigned(fields[2]).value_or(0),
                     .used = static_cast<std::time_t>(parse_unsigned(fields[3]).value_or(0)),
                     .is_locked = fields[4] == "1",
                     .problem = std::string(fields[5])});
  }
  return trees;
}

void remove_one(const fs::path& store, const std::string& name) {
  const fs::path path = store / name;
  if (name.starts_with("run/")) {
    const FileLock making(store / "run" / ".lock", FileLock::Mode::exclusive);
    if (FileLock::try_lock(path / "lock", FileLock::Mode::exclusive)) remove_run(path);
    return;
  }
  std::optional<std::vector<FileLock>> locks;
  if (name.starts_with("cache/") && !(locks = lock_cache(path))) return;
  // Half of it must never be taken for the whole.
  const fs::path runs = store / "run";
  make_directories(runs);
  const fs::path doomed = runs / fmt::format("removed-{}", path.filename().native());
  std::error_code error;
  fs::rename(path, doomed, error);
  if (error && error != std::errc::no_such_file_or_directory)
    throw_errno("cannot remove", path.native(), error.value());
  remove_tree(doomed);
}

// Where files with subordinate ids can be looked at and removed. Cleaning up comes to its end even when it is
// an interrupt that it is for.
std::string where_allowed(IdMapping id_mapping, const std::function<std::string()>& body) {
  if (id_mapping == IdMapping::root) return body();
  const Uninterrupted uninterrupted;
  return run_confined(
      {.id_mapping = id_mapping}, Terminal::none, [&](int) { return body(); }, [](std::string_view) {});
}

bool is_empty_of_runs(const fs::path& store) {
  return directory_names(store / "run").empty() && directory_names(store / "snapshots").empty() &&
         directory_names(store / "cache").empty();
}

}  // namespace

std::vector<CachedTree> cached_trees(const fs::path& store) {
  if (is_empty_of_runs(store)) return {};
  const IdMapping id_mapping = available_id_mapping();
  const unsigned user = ::geteuid();
  return parse(where_allowed(id_mapping, [&] { return serialize(find_all(store, id_mapping, user)); }));
}

void remove_leftover_runs(const fs::path& store) {
  (void)where_allowed(available_id_mapping(), [&] {
    std::vector<Found> left;
    find_left(store, left);
    for (const Found& item : left)
      remove_one(store, item.tree.name);
    return std::string();
  });
}

void remove_cached_trees(const fs::path& store, const std::vector<std::string>& names) {
  if (names.empty()) return;
  (void)where_allowed(available_id_mapping(), [&] {
    for (const std::string& name : names)
      remove_one(store, name);
    return std::string();
  });
}

}  // namespace bottle::run
