// SPDX-License-Identifier: Apache-2.0
#include "copy/target.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>

#include "util/path.hpp"

namespace bottle::copy {
namespace {

using oci::Entry;
using oci::EntryType;

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kReserved = ".wh..wh.";

bool is_directory(const Entry& entry) {
  return entry.type == EntryType::directory;
}

// Nothing of it would change by being written again.
bool is_same(const Entry& a, const Entry& b) {
  return a.type == b.type && a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.mtime == b.mtime &&
         a.size == b.size && a.digest == b.digest && a.link == b.link && a.device_major == b.device_major &&
         a.device_minor == b.device_minor && a.xattrs == b.xattrs;
}

Entry mark(EntryType type, std::string path) {
  Entry entry;
  entry.type = type;
  entry.path = std::move(path);
  return entry;
}

}  // namespace

const Entry* CopyTarget::entry_of(const Node& node) {
  if (node.is_removed) return nullptr;
  if (node.upper) return node.upper.get();
  return node.below != nullptr ? node.below->inode.get() : nullptr;
}

const Entry* CopyTarget::find(std::string_view path) const {
  if (directory_node_ != nullptr && !path.empty() && oci::parent_path(path) == directory_) {
    const std::string_view name = oci::base_name(path);
    if (const auto child = directory_node_->children.find(name); child != directory_node_->children.end())
      return entry_of(child->second);
    if (directory_node_->below == nullptr || directory_node_->hides_below) return nullptr;
    const auto child = directory_node_->below->children.find(name);
    return child == directory_node_->below->children.end() ? nullptr : child->second.inode.get();
  }
  const Node* node = &top_;
  const oci::MergedTree::Node* below = nullptr;  // used once no changed node is on the way
  for (const std::string_view part : path_components(path)) {
    const oci::MergedTree::Node* above = below;
    if (node != nullptr) {
      if (const auto child = node->children.find(part); child != node->children.end()) {
        node = &child->second;
        if (node->is_removed) return nullptr;
        continue;
      }
      above = node->hides_below ? nullptr : node->below;
      node = nullptr;
    }
    if (above == nullptr) return nullptr;
    const auto child = above->children.find(part);
    if (child == above->children.end()) return nullptr;
    below = &child->second;
  }
  return node != nullptr ? entry_of(*node) : below->inode.get();
}

SourceTree::Kind CopyTarget::kind(const std::string& path) const {
  const Entry* entry = find(path);
  if (entry == nullptr) return Kind::missing;
  return is_directory(*entry)                ? Kind::directory
         : entry->type == EntryType::symlink ? Kind::symlink
                                             : Kind::other;
}

std::string CopyTarget::read_link(const std::string& path) const {
  return find(path)->link.string();
}

std::vector<std::string> CopyTarget::list(const std::string& path) const {
  std::set<std::string> names;
  const Node* node = &top_;
  const oci::MergedTree::Node* below = top_.below;
  for (const std::string_view part : path_components(path)) {
    if (node != nullptr) {
      const auto child = node->children.find(part);
      if (node->hides_below) below = nullptr;
      node = child == node->children.end() ? nullptr : &child->second;
    }
    if (below != nullptr) {
      const auto child = below->children.find(part);
      below = child == below->children.end() ? nullptr : &child->second;
    }
  }
  if (below != nullptr && (node == nullptr || !node->hides_below)) {
    for (const auto& child : below->children)
      names.insert(child.first);
  }
  if (node != nullptr) {
    for (const auto& [name, child] : node->children) {
      if (child.is_removed) {
        names.erase(name);
      } else {
        names.insert(name);
      }
    }
  }
  return {names.begin(), names.end()};
}

CopyTarget::Node& CopyTarget::touch(std::string_view path) {
  if (path.empty()) return top_;
  const auto enter = [this](Node& node, std::string_view part) -> Node& {
    const auto known = node.children.find(part);
    if (known != node.children.end()) return known->second;
    Node& child = node.children.make(known, part)->second;
    ++count_;
    if (node.below != nullptr && !node.hides_below) {
      const auto below = node.below->children.find(part);
      if (below != node.below->children.end()) child.below = &below->second;
    }
    return child;
  };
  const std::string_view directory = oci::parent_path(path);
  if (directory_node_ == nullptr || directory != directory_) {
    Node* node = &top_;
    for (const std::string_view part : path_components(directory))
      node = &enter(*node, part);
    directory_ = directory;
    directory_node_ = node;
  }
  return enter(*directory_node_, oci::base_name(path));
}

// Its node may be gone.
void CopyTarget::forget_directory() {
  directory_node_ = nullptr;
}

void CopyTarget::put(const std::string& path, Inode inode) {
  Node& node = touch(path);
  const Entry* before = entry_of(node);
  const bool keeps_children = before != nullptr && is_directory(*before) && is_directory(*inode);
  if (!keeps_children) {
    if (!node.children.empty()) forget_directory();
    node.children.clear();
    node.hides_below = true;
  }
  node.is_removed = false;
  node.upper = std::move(inode);
}

CopyTarget::Inode CopyTarget::change(const std::string& path) {
  Node& node = touch(path);
  if (!node.upper) {
    node.upper = std::make_shared<Entry>(*node.below->inode);
    if (node.upper->place.root != oci::Place::kNone) {
      node.upper->place.root = root(below_.roots().at(node.upper->place.root));
    }
  }
  return node.upper;
}

void CopyTarget::remove(const std::string& path) {
  Node& node = touch(path);
  forget_directory();
  node.children.clear();
  node.upper.reset();
  node.hides_below = true;
  node.is_removed = true;
}

// Adds the changes at and below the node; true if there are any.
bool CopyTarget::collect(const Node& node, const std::string& path, Changes& changes) const {
  const auto add = [&](Entry entry) {
    changes.entries.push_back(std::move(entry));
    changes.inodes.push_back(nullptr);
  };
  const Entry* entry = entry_of(node);
  if (entry == nullptr) {
    if (node.below == nullptr) return false;
    add(mark(EntryType::whiteout, path));
    return true;
  }
  if (const std::string_view name = oci::base_name(path); name.substr(0, kWhiteout.size()) == kWhiteout) {
    const std::string parent(oci::parent_path(path));
    if (name == kOpaque) {
      add(mark(EntryType::opaque, parent));
    } else if (name.substr(0, kReserved.size()) != kReserved && name != kWhiteout) {
      add(mark(EntryType::whiteout, join_path(parent, name.substr(kWhiteout.size()))));
    } else {
      return false;
    }
    return true;
  }
  const std::size_t place = changes.entries.size();
  if (!path.empty()) add({});  // before what is below it: nearly in order
  bool has_changes = node.upper && (node.below == nullptr || !is_same(*node.upper, *node.below->inode));
  if (node.hides_below && node.below != nullptr && is_directory(*node.below->inode) && is_directory(*entry) &&
      !node.below->children.empty()) {
    add(mark(EntryType::opaque, path));
    has_changes = true;
  }
  for (const auto& [name, child] : node.children) {
    has_changes |= collect(child, join_path(path, name), changes);
  }
  if (path.empty()) return has_changes;
  if (!has_changes) {
    changes.entries.resize(place);  // nothing below it either
    changes.inodes.resize(place);
    return false;
  }
  // Directories above a change have no bytes, so the numbers of their roots do not matter.
  const Inode& inode = node.upper ? node.upper : node.below->inode;
  changes.entries[place] = *entry;
  changes.entries[place].path = path;
  changes.inodes[place] = inode.use_count() > 1 ? entry : nullptr;
  return true;
}

void CopyTarget::put_in_order(Changes& changes) {
  // A directory comes before its opaque mark; entries of one path are otherwise unique, except for a file
  // beside a whiteout with the same name, which is about what was below it.
  const auto is_before = [](const Entry& a, const Entry& b) {
    const int order = a.path.compare(b.path);
    return order != 0 ? order < 0 : a.type < b.type;
  };
  if (std::is_sorted(changes.entries.begin(), changes.entries.end(), is_before)) return;
  std::vector<std::size_t> order(changes.entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return is_before(changes.entries[a], changes.entries[b]);
  });
  Changes sorted;
  sorted.entries.reserve(order.size());
  sorted.inodes.reserve(order.size());
  for (const std::size_t number : order) {
    sorted.entries.push_back(std::move(changes.entries[number]));
    sorted.inodes.push_back(changes.inodes[number]);
  }
  changes = std::move(sorted);
}

oci::LayerIndex CopyTarget::changes() && {
  Changes changes;
  changes.entries.reserve(count_);
  changes.inodes.reserve(count_);
  collect(top_, "", changes);
  put_in_order(changes);
  std::unordered_map<const Entry*, std::string> first_paths;
  std::vector<std::uint32_t> numbers(layer_.roots.size(), oci::Place::kNone);
  oci::LayerIndex result;
  for (std::size_t i = 0; i < changes.entries.size(); ++i) {
    Entry& entry = changes.entries[i];
    if (changes.inodes[i] != nullptr && !is_directory(entry)) {
      const auto [first, is_first] = first_paths.try_emplace(changes.inodes[i], entry.path);
      if (!is_first) {
        entry.type = EntryType::hardlink;
        entry.link = first->second;
        entry.size = 0;
        entry.digest = {};
        entry.device_major = entry.device_minor = 0;
        entry.place = {};
      }
    }
    if (entry.place.root != oci::Place::kNone) {  // only roots that are used are named
      std::uint32_t& number = numbers.at(entry.place.root);
      if (number == oci::Place::kNone) number = result.root(layer_.roots[entry.place.root]);
      entry.place.root = number;
    }
  }
  result.entries = std::move(changes.entries);
  forget_directory();
  layer_ = {};
  top_ = {};
  top_.below = &below_.root();
  return result;
}

}  // namespace bottle::copy
