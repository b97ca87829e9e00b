// SPDX-License-Identifier: Apache-2.0
// What a scan has found: as entries of layers, as roots, and as dependencies.
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

#include "image/context/scan.hpp"
#include "image/context/walk_cache.hpp"
#include "util/path.hpp"

namespace bottle::image::context {
namespace {

// Into an entry that may have been another's, so that its memory serves again.
template <typename Item>
void fill(const Item& item, bool git_modes, oci::Entry& entry) {
  const auto& [path, node] = item;
  entry.path = path;
  entry.mode = static_cast<std::uint16_t>(node.mode & 07777);
  if (git_modes && !S_ISLNK(node.mode))
    entry.mode = S_ISDIR(node.mode) || (node.mode & S_IXUSR) != 0 ? 0755 : 0644;
  entry.xattrs = node.content.xattrs;
  entry.size = 0;
  entry.digest = {};
  entry.link.clear();
  entry.device_major = entry.device_minor = 0;
  switch (node.mode & S_IFMT) {
    case S_IFREG:
      entry.type = oci::EntryType::file;
      entry.size = node.status.size;
      entry.digest = node.content.digest;
      break;
    case S_IFDIR:
      entry.type = oci::EntryType::directory;
      break;
    case S_IFLNK:
      entry.type = oci::EntryType::symlink;
      entry.mode = 0777;
      entry.link = node.link;
      break;
    case S_IFIFO:
      entry.type = oci::EntryType::fifo;
      break;
    default:
      entry.type = S_ISBLK(node.mode) ? oci::EntryType::block_device : oci::EntryType::char_device;
      entry.device_major = static_cast<std::uint32_t>(node.device >> 8 & 0xfff);
      entry.device_minor = static_cast<std::uint32_t>((node.device & 0xff) | (node.device >> 12 & 0xfff00));
  }
}

}  // namespace

oci::Place ContextScan::place(const std::string& path, oci::LayerIndex& index) const {
  const auto file = options_.files.find(path);
  if (file == options_.files.end())
    return {.root = index.root(options_.root_name), .offset = 0, .path = path};
  const auto number = std::distance(options_.files.begin(), file);
  return {.root = index.root(options_.root_name + "#" + std::to_string(number)),
          .offset = 0,
          .path = file->second.filename().native()};
}

std::map<std::string, fs::path> ContextScan::context_roots() const {
  if (options_.files.empty()) return {{options_.root_name, options_.root}};
  std::map<std::string, fs::path> roots;
  for (const auto& [name, file] : options_.files)
    roots[options_.root_name + "#" + std::to_string(roots.size())] = file.parent_path();
  return roots;
}

oci::LayerIndex ContextScan::index(std::size_t set) const {
  oci::LayerIndex index;
  const Set& taken = sets_.at(set);
  index.entries.reserve(taken.items.size());
  for (const Item* item : taken.items) {
    oci::Entry& entry = index.entries.emplace_back();
    fill(*item, options_.git_modes, entry);
    copy::remove_detail(taken.detail, item == taken.named, entry);
    if (entry.size > 0) entry.place = place(item->first, index);
  }
  return index;
}

void ContextScan::for_each_entry(const std::function<void(const oci::Entry&)>& visit) const {
  oci::Entry entry;
  for (const Item* item : all_) {
    fill(*item, options_.git_modes, entry);
    copy::remove_detail(item->second.detail, true, entry);
    visit(entry);
  }
}

std::vector<std::string> ContextScan::build_trees() const {
  std::vector<std::string> trees;
  for (const std::string& tree : walk_cache_->noted)
    if (options_.ignore == nullptr || !matches_rules(tree)) trees.push_back(tree);
  return trees;
}

std::vector<Dependency> ContextScan::dependencies() const {
  std::vector<Dependency> found;  // sorted, and so nearly all there is
  std::vector<Dependency> others;
  found.reserve(all_.size() + walk_cache_->listings.size());
  const auto directory = [&](const std::string& path) {
    const auto node = walk_cache_->nodes.find(path);
    others.push_back({absolute(path), node != walk_cache_->nodes.end() && node->second.exists
                                          ? node->second.status.mtime_ns
                                          : Dependency{}.mtime_ns});
  };
  std::set<std::string_view> parents;  // each with those above it
  for (const Item* item : all_) {
    if (!S_ISLNK(item->second.mode)) found.push_back({absolute(item->first), item->second.status.mtime_ns});
    if (!options_.files.empty()) continue;
    for (std::string_view above = item->first; !above.empty();) {
      above = oci::parent_path(above);
      if (!parents.insert(above).second) break;
    }
  }
  // A context that is itself a build tree changes all the time.
  const auto top = walk_cache_->nodes.find("");
  const bool is_build_tree = top != walk_cache_->nodes.end() && walk_cache_->is_excluded(top->second.status);
  for (const std::string_view parent : parents)
    if (!parent.empty() || !is_build_tree) directory(std::string(parent));
  for (const std::string& tree : walk_cache_->build_trees)
    others.push_back({absolute(join_path(tree, kBuildTreeFile)), Dependency{}.mtime_ns});
  if (options_.files.empty())
    for (const auto& [path, names] : walk_cache_->listings)
      directory(path);
  else
    std::sort(found.begin(), found.end());
  std::sort(others.begin(), others.end());
  const auto middle = static_cast<std::ptrdiff_t>(found.size());
  found.insert(found.end(), std::make_move_iterator(others.begin()), std::make_move_iterator(others.end()));
  std::inplace_merge(found.begin(), found.begin() + middle, found.end());
  remove_repeated(found);
  return found;
}

}  // namespace bottle::image::context
