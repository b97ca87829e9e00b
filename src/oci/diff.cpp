// SPDX-License-Identifier: Apache-2.0
#include "oci/diff.hpp"

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace bottle::oci {
namespace {

using Node = MergedTree::Node;

enum class Change { changed, unchanged_name };

bool is_directory_node(const Node& node) {
  return node.inode->type == EntryType::directory;
}

class Differ {
 public:
  Differ(const MergedTree& lower, const MergedTree& upper) : upper_(upper) {
    layer_.roots = upper.roots();
    upper.walk([&](const std::string&, const Node& node) {
      if (node.inode.use_count() > 1) ++names_[node.inode.get()];
    });
    if (!same_node(lower.root(), upper.root())) append({}, upper.root(), Change::changed);
    compare_children({}, &lower.root(), upper.root());
  }

  LayerIndex take() { return std::move(layer_); }

 private:
  // Both in order of names; `lower` is null for a directory that is new.
  void compare_children(const std::string& path, const Node* lower, const Node& upper) {
    static const decltype(Node::children) kNone;
    const auto& olds = lower != nullptr ? lower->children : kNone;
    auto old = olds.begin();
    auto now = upper.children.begin();
    while (old != olds.end() || now != upper.children.end()) {
      if (now == upper.children.end() || (old != olds.end() && old->first < now->first)) {
        append_whiteout(joined(path, old->first));
        ++old;
      } else if (old == olds.end() || now->first < old->first) {
        compare(joined(path, now->first), nullptr, now->second);
        ++now;
      } else {
        compare(joined(path, now->first), &old->second, now->second);
        ++old;
        ++now;
      }
    }
  }

  void compare(const std::string& path, const Node* lower, const Node& upper) {
    if (lower == nullptr || !same_node(*lower, upper) || !same_links(*lower, upper))
      append(path, upper, Change::changed);
    else if (is_linked(upper))
      append(path, upper, Change::unchanged_name);
    if (is_directory_node(upper))
      compare_children(path, lower != nullptr && is_directory_node(*lower) ? lower : nullptr, upper);
  }

  // Names that are not in the layer must keep sharing, or not sharing, their inodes: among them the inodes of
  // the two trees have to correspond one to one.
  bool same_links(const Node& lower, const Node& upper) {
    if (is_directory_node(upper) || (lower.inode.use_count() == 1 && !is_linked(upper))) return true;
    const auto now = kept_.try_emplace(lower.inode.get(), upper.inode.get()).first;
    const auto old = kept_.try_emplace(upper.inode.get(), lower.inode.get()).first;
    return now->second == upper.inode.get() && old->second == lower.inode.get();
  }

  void append(const std::string& path, const Node& node, Change change) {
    Entry entry = *node.inode;
    entry.path = path;
    if (!is_linked(node)) {
      append_with_parents(std::move(entry));
      return;
    }
    const Entry* inode = node.inode.get();
    if (const auto source = sources_.find(inode); source != sources_.end()) {
      append_with_parents(as_link(std::move(entry), source->second));
    } else if (change == Change::unchanged_name) {
      waiting_[inode].push_back(path);
    } else {
      sources_[inode] = path;
      append_with_parents(entry);
      for (const std::string& other : std::exchange(waiting_[inode], {})) {
        entry.path = other;
        append_with_parents(as_link(entry, path));
      }
    }
  }

  void append_whiteout(const std::string& path) {
    Entry entry;
    entry.type = EntryType::whiteout;
    entry.path = path;
    append_with_parents(std::move(entry));
  }

  void append_with_parents(Entry entry) {
    append_parents(parent_path(entry.path));
    if (entry.type == EntryType::directory) directories_.insert(entry.path);
    layer_.entries.push_back(std::move(entry));
  }

  void append_parents(std::string_view path) {
    if (path.empty() || !directories_.insert(std::string(path)).second) return;
    append_parents(parent_path(path));
    Entry entry = *upper_.find(path)->inode;
    entry.path = path;
    layer_.entries.push_back(std::move(entry));
  }

  static Entry as_link(Entry entry, const std::string& target) {
    entry.type = EntryType::hardlink;
    entry.link = target;
    entry.size = 0;
    entry.digest = {};
    entry.device_major = entry.device_minor = 0;
    entry.place = {};
    return entry;
  }

  bool is_linked(const Node& node) const {
    const auto found = names_.find(node.inode.get());
    return found != names_.end() && found->second > 1;
  }

  static std::string joined(const std::string& parent, const std::string& name) {
    return parent.empty() ? name : parent + "/" + name;
  }

  const MergedTree& upper_;
  LayerIndex layer_;
  std::unordered_map<const Entry*, std::size_t> names_;    // how many an inode has
  std::unordered_map<const Entry*, std::string> sources_;  // inode -> the name that is in the layer
  std::unordered_map<const Entry*, std::vector<std::string>>
      waiting_;  // inode -> unchanged names before that
  std::unordered_map<const Entry*, const Entry*>
      kept_;                                     // inode of an unchanged name -> its inode in the other tree
  std::unordered_set<std::string> directories_;  // those in the layer
};

}  // namespace

bool same_node(const Node& lower, const Node& upper) {
  const Entry& a = *lower.inode;
  const Entry& b = *upper.inode;
  if (a.type != b.type || a.mode != b.mode || a.uid != b.uid || a.gid != b.gid || a.xattrs != b.xattrs)
    return false;
  return a.type == EntryType::directory ||
         (a.mtime == b.mtime && a.link == b.link && a.size == b.size && a.digest == b.digest &&
          a.device_major == b.device_major && a.device_minor == b.device_minor);
}

LayerIndex diff(const MergedTree& lower, const MergedTree& upper) {
  return Differ(lower, upper).take();
}

}  // namespace bottle::oci
