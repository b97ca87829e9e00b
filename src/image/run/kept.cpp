#include "image/run/kept.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "image/run/runtime.hpp"
#include "image/run/snapshot.hpp"
#include "image/run/unpack.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::image {
namespace {

constexpr std::uint64_t kStatBlock = 512;  // stat(2), st_blocks

// The directories in it, but for those that begin with a dot: locks.
std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator item(directory, error), end; !error && item != end; item.increment(error)) {
    std::error_code ignored;
    const std::string name = item->path().filename().native();
    if (name.front() != '.' && item->symlink_status(ignored).type() == fs::file_type::directory)
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

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

bool may_look_at(const std::string& owner, Identity identity, unsigned user) {
  if (identity == Identity::root || owner == kept_owner(identity, user)) return true;
  return identity == Identity::subordinate && owner == kept_owner(Identity::single, user);
}

struct Found {
  KeptTree tree;
  std::string parent;  // of a snapshot: a path in the store
};

void find_snapshots(const fs::path& store, const std::string& owner, std::vector<Found>& all) {
  const std::string folder = "snapshots/" + owner;
  std::map<std::string, Found> found;
  for (const std::string& name : names_in(store / folder)) {
    const fs::path place = store / folder / name;
    Found item;
    item.tree = {.kind = KeptTree::Kind::snapshot,
                 .name = folder + "/" + name,
                 .bytes = disk_usage(place),
                 .used = changed(place / "parent"),
                 .is_locked = false,
                 .problem = {}};
    const auto facts = read_snapshot(place);
    if (!facts)
      item.tree.problem = "the file that names what it stands on is not there";
    else if (!facts->parent.empty())
      item.parent = folder + "/" + facts->parent;
    found.emplace(item.tree.name, std::move(item));
  }
  // What stands on another keeps that in use, and cannot be used without.
  for (auto& [name, item] : found) {
    std::set<std::string> seen;
    for (std::string below = item.parent; !below.empty() && seen.insert(below).second;) {
      const auto next = found.find(below);
      if (next == found.end()) {
        item.tree.problem = "the snapshot " + below + " that it stands on is not there";
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
  for (const std::string& name : names_in(store / folder)) {
    const fs::path place = store / folder / name;
    Found item;
    item.tree = {.kind = KeptTree::Kind::cache,
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
  for (const std::string& name : names_in(runs)) {
    if (!FileLock::try_lock(runs / name / "lock", FileLock::Mode::exclusive)) continue;
    Found item;
    item.tree = {.kind = KeptTree::Kind::left,
                 .name = "run/" + name,
                 .bytes = disk_usage(runs / name),
                 .used = changed(runs / name),
                 .is_locked = false,
                 .problem = "left by a RUN that was killed"};
    all.push_back(std::move(item));
  }
}

std::vector<KeptTree> find_all(const fs::path& store, Identity identity, unsigned user) {
  std::vector<Found> found;
  find_left(store, found);
  for (const std::string& owner : names_in(store / "snapshots"))
    if (may_look_at(owner, identity, user)) find_snapshots(store, owner, found);
  for (const std::string& owner : names_in(store / "cache"))
    if (may_look_at(owner, identity, user)) find_caches(store, owner, found);
  std::vector<KeptTree> trees;
  trees.reserve(found.size());
  for (Found& item : found)
    trees.push_back(std::move(item.tree));
  std::stable_sort(trees.begin(), trees.end(),
                   [](const KeptTree& a, const KeptTree& b) { return a.used < b.used; });
  return trees;
}

// Between the process that can look and the one that wants to know: a line a tree.
std::string serialize(const std::vector<KeptTree>& trees) {
  std::string text;
  for (const KeptTree& tree : trees)
    text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\n", static_cast<int>(tree.kind), tree.name, tree.bytes,
                        tree.used, tree.is_locked ? 1 : 0, tree.problem);
  return text;
}

std::vector<KeptTree> parse(const std::string& text) {
  std::vector<KeptTree> trees;
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() != 6) continue;
    trees.push_back({.kind = static_cast<KeptTree::Kind>(parse_unsigned(fields[0]).value_or(0)),
                     .name = std::string(fields[1]),
                     .bytes = parse_unsigned(fields[2]).value_or(0),
                     .used = static_cast<std::time_t>(parse_unsigned(fields[3]).value_or(0)),
                     .is_locked = fields[4] == "1",
                     .problem = std::string(fields[5])});
  }
  return trees;
}

void remove_left(const fs::path& directory) {
  const std::string name = directory.filename().native();
  remove_control_groups(run_container(name));
  remove_control_groups(run_container("probe-" + name));
  remove_tree(directory);
}

void remove_one(const fs::path& store, const std::string& name) {
  const fs::path path = store / name;
  if (name.starts_with("run/")) {
    const FileLock making(store / "run" / ".lock", FileLock::Mode::exclusive);
    if (FileLock::try_lock(path / "lock", FileLock::Mode::exclusive)) remove_left(path);
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
std::string where_allowed(Identity identity, const std::function<std::string()>& body) {
  if (identity == Identity::root) return body();
  const Uninterrupted uninterrupted;
  return run_confined(
      identity, Terminal::none, [&](int) { return body(); }, [](std::string_view) {});
}

bool is_empty_of_runs(const fs::path& store) {
  return names_in(store / "run").empty() && names_in(store / "snapshots").empty() &&
         names_in(store / "cache").empty();
}

}  // namespace

std::string kept_owner(Identity identity, unsigned user) {
  return identity == Identity::root ? "root" : std::to_string(user) + "-" + to_string(identity);
}

std::string run_container(const std::string& name) {
  return "bottle-" + name;
}

RunDirectory::RunDirectory(const fs::path& store, const std::string& name) : path_(store / "run" / name) {
  const fs::path all = store / "run";
  make_directories(all);
  const FileLock making(all / ".lock", FileLock::Mode::exclusive);
  for (const std::string& left : names_in(all)) {
    try {
      if (FileLock::try_lock(all / left / "lock", FileLock::Mode::exclusive)) remove_left(all / left);
    } catch (const Error&) {
      // Another user's: no obstacle here.
    }
  }
  fs::create_directory(path_);
  lock_.emplace(path_ / "lock", FileLock::Mode::exclusive);
}

RunDirectory::~RunDirectory() {
  try {
    remove_tree(path_);
  } catch (const Error&) {
    // The next RUN tries again.
  }
}

std::vector<KeptTree> kept_trees(const fs::path& store) {
  if (is_empty_of_runs(store)) return {};
  const Identity identity = available_identity();
  const unsigned user = ::geteuid();
  return parse(where_allowed(identity, [&] { return serialize(find_all(store, identity, user)); }));
}

void remove_left_runs(const fs::path& store) {
  (void)where_allowed(available_identity(), [&] {
    std::vector<Found> left;
    find_left(store, left);
    for (const Found& item : left)
      remove_one(store, item.tree.name);
    return std::string();
  });
}

void remove_kept(const fs::path& store, const std::vector<std::string>& names) {
  if (names.empty()) return;
  (void)where_allowed(available_identity(), [&] {
    for (const std::string& name : names)
      remove_one(store, name);
    return std::string();
  });
}

}  // namespace bottle::image
