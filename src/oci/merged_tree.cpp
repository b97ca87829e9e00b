// SPDX-License-Identifier: Apache-2.0
#include "oci/merged_tree.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

using Node = MergedTree::Node;

constexpr int kMaximumLinks = 255;

bool is_directory(const Node& node) {
  return node.inode->type == EntryType::directory;
}

MergedTree::Inode make_directory() {
  auto inode = std::make_shared<Entry>();
  inode->type = EntryType::directory;
  inode->mode = 0755;
  return inode;
}

std::string joined(std::string_view parent, std::string_view name) {
  std::string path(parent);
  if (!path.empty()) path += '/';
  path += name;
  return path;
}

// Node by node, inodes once each: `copies` maps those that several names share.
void copy_node(const Node& from, Node& to, std::unordered_map<const Entry*, MergedTree::Inode>& copies) {
  if (from.inode.use_count() > 1) {
    MergedTree::Inode& copy = copies[from.inode.get()];
    if (!copy) copy = std::make_shared<Entry>(*from.inode);
    to.inode = copy;
  } else {
    to.inode = std::make_shared<Entry>(*from.inode);
  }
  to.layer = from.layer;
  for (const auto& [name, child] : from.children)
    copy_node(child, to.children.make(to.children.end(), name)->second, copies);
}

std::string in_quotes(std::string_view name) {
  std::string text = "\"";
  text += escape_word(name);
  text += '"';
  return text;
}

void walk_node(const std::string& path, const Node& node,
               const std::function<void(const std::string&, const Node&)>& visit) {
  visit(path, node);
  for (const auto& [name, child] : node.children)
    walk_node(joined(path, name), child, visit);
}

std::size_t count_nodes(const Node& node) {
  std::size_t count = 1;
  for (const auto& [name, child] : node.children)
    count += count_nodes(child);
  return count;
}

// All below a directory in byte order of the whole path. What is below "a" comes after "a-b" and before "a0",
// since '/' lies between: so a directory's contents wait until no name that comes before "a/" is left.
void walk_in_byte_order(std::string& path, const Node& directory,
                        const std::function<void(const std::string&, const Node&)>& visit) {
  struct Waiting {
    const std::string* name;
    const Node* node;
    bool is_before(std::string_view other) const {  // "<name>/" < other
      const int order = other.compare(0, name->size(), *name);
      return order != 0
                 ? order > 0
                 : other.size() > name->size() && static_cast<unsigned char>(other[name->size()]) > '/';
    }
  };
  const std::size_t length = path.size();
  const auto step_into = [&](const std::string& name) {
    if (length > 0) path += '/';
    path += name;
  };
  std::vector<Waiting> waiting;
  const auto walk_last = [&] {
    const Waiting last = waiting.back();
    waiting.pop_back();
    step_into(*last.name);
    walk_in_byte_order(path, *last.node, visit);
    path.resize(length);
  };
  for (const auto& [name, child] : directory.children) {
    while (!waiting.empty() && waiting.back().is_before(name))
      walk_last();
    step_into(name);
    visit(path, child);
    path.resize(length);
    if (!child.children.empty()) waiting.push_back({&name, &child});
  }
  while (!waiting.empty())
    walk_last();
}

// Removes what lower layers put below the directory.
void hide_lower(Node& directory, std::uint32_t layer) {
  for (auto child = directory.children.begin(); child != directory.children.end();) {
    if (child->second.layer != layer) {
      child = directory.children.erase(child);
    } else {
      hide_lower(child->second, layer);
      ++child;
    }
  }
}

}  // namespace

// Applies the entries of one layer, one after the other.
class MergedTree::Applier {
 public:
  Applier(MergedTree& tree, const LayerIndex& layer, const std::string& name, const std::string& scope)
      : tree_(tree), name_(name), number_(++tree.layers_) {
    roots_.reserve(layer.roots.size());
    // All roots but blobs are directories; those of a bottle below ("lib/context") get a further scope.
    for (const std::string& root : layer.roots)
      roots_.push_back(tree.intern_root(root.starts_with("blob:") ? root : scope + root));
  }

  void apply(const Entry& entry) {
    if (!is_entry_path(entry.path)) fail(entry, "the path is not a normal relative path");
    if (entry.type == EntryType::whiteout || entry.type == EntryType::opaque) last_parent_ = nullptr;
    if (entry.path.empty()) {
      apply_to_root(entry);
      return;
    }
    if (entry.type == EntryType::opaque) {
      hide_lower(make_directories(entry.path, entry), number_);
      return;
    }
    Node& parent = parent_of(entry);
    const std::string_view name = base_name(entry.path);
    if (entry.type == EntryType::whiteout) {
      apply_whiteout(parent, name);
      return;
    }
    const Node* target = entry.type == EntryType::hardlink ? &link_target(entry) : nullptr;
    auto found = parent.children.find(name);
    if (found != parent.children.end() && &found->second == target) fail(entry, "hard link to itself");
    Inode inode = target != nullptr ? linked_inode(*target, entry) : new_inode(entry);
    if (found == parent.children.end()) {
      found = parent.children.make(found, name);
    } else {
      if (!is_directory(found->second) || entry.type != EntryType::directory) last_parent_ = nullptr;
      if (entry.type != EntryType::directory) found->second.children.clear();
    }
    found->second.inode = std::move(inode);
    found->second.layer = number_;
  }

 private:
  void apply_to_root(const Entry& entry) {
    if (entry.type == EntryType::opaque)
      hide_lower(tree_.root_, number_);
    else if (entry.type == EntryType::directory)
      tree_.root_.inode = new_inode(entry);
    else
      fail(entry, "the root is not a directory");
  }

  // Image-spec, layer.md "Whiteouts": only lower layers are hidden, wherever in the tar the whiteout is.
  void apply_whiteout(Node& parent, std::string_view name) {
    const auto found = parent.children.find(name);
    if (found == parent.children.end()) return;
    if (found->second.layer == number_)
      hide_lower(found->second, number_);
    else
      parent.children.erase(found);
  }

  Inode new_inode(const Entry& entry) const {
    auto inode = std::make_shared<Entry>();
    inode->type = entry.type;
    inode->mode = entry.mode;
    inode->uid = entry.uid;
    inode->gid = entry.gid;
    inode->mtime = entry.mtime;
    inode->size = entry.size;
    inode->digest = entry.digest;
    inode->link = entry.link;
    inode->device_major = entry.device_major;
    inode->device_minor = entry.device_minor;
    inode->xattrs = entry.xattrs;
    inode->place = entry.place;
    if (entry.type == EntryType::symlink) inode->mode = 0777;
    if (entry.place.root != Place::kNone) {
      if (entry.place.root >= roots_.size()) fail(entry, "its place names a root that is not in the table");
      inode->place.root = roots_[entry.place.root];
    }
    return inode;
  }

  const Node& link_target(const Entry& entry) const {
    const auto parent = tree_.resolve(parent_path(entry.link), true);
    const Node* node = parent ? tree_.find(joined(*parent, base_name(entry.link))) : nullptr;
    if (node == nullptr) fail(entry, "hard link to " + in_quotes(entry.link) + ", which does not exist");
    if (is_directory(*node)) fail(entry, "hard link to the directory " + in_quotes(entry.link));
    return *node;
  }

  // A hard link's own attributes become those of the inode, as unpacking does it.
  static Inode linked_inode(const Node& target, const Entry& entry) {
    Inode inode = target.inode;
    if (inode->type != EntryType::symlink) inode->mode = entry.mode;
    inode->uid = entry.uid;
    inode->gid = entry.gid;
    inode->mtime = entry.mtime;
    if (!entry.xattrs.empty()) inode->xattrs = entry.xattrs;
    return inode;
  }

  // Entries of one directory mostly follow each other: it is looked up once for them, as long as nothing is
  // removed or replaced.
  Node& parent_of(const Entry& entry) {
    const std::string_view path = parent_path(entry.path);
    if (last_parent_ != nullptr && path == last_path_) return *last_parent_;
    Node& node = make_directories(path, entry);
    if (entry.type != EntryType::whiteout) {
      last_path_ = path;
      last_parent_ = &node;
    }
    return node;
  }

  // The directory at the path, symbolic links followed, missing ones made.
  Node& make_directories(std::string_view path, const Entry& entry) {
    if (path.empty()) return tree_.root_;
    const auto resolved = tree_.resolve(path, true);
    if (!resolved) fail(entry, "more than 255 symbolic links in the path");
    if (resolved->size() > kMaximumPath)
      fail(entry, "the path with its links followed is longer than 4095 bytes");
    Node* node = &tree_.root_;
    std::string_view rest = *resolved;
    while (!rest.empty()) {
      const std::size_t slash = rest.find('/');
      const std::string_view name = rest.substr(0, slash);
      rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
      auto child = node->children.find(name);
      if (child == node->children.end()) {
        child = node->children.make(child, name);
        child->second.inode = make_directory();
      } else if (!is_directory(child->second)) {
        fail(entry, in_quotes(name) + " in its path is not a directory");
      }
      node = &child->second;
      // A whiteout does not keep the directory it is in.
      if (entry.type != EntryType::whiteout && entry.type != EntryType::opaque) node->layer = number_;
    }
    return *node;
  }

  [[noreturn]] void fail(const Entry& entry, const std::string& message) const {
    throw Error("cannot apply " + in_quotes(entry.path) + ": " + message, {.where = name_});
  }

  MergedTree& tree_;
  const std::string& name_;
  std::uint32_t number_;
  std::vector<std::uint32_t> roots_;  // number in the layer -> number in the tree
  std::string_view last_path_;        // of an entry of the layer
  Node* last_parent_ = nullptr;       // the directory at last_path_, marked as this layer's, or null
};

MergedTree::MergedTree() {
  root_.inode = make_directory();
}

MergedTree::MergedTree(const MergedTree& other) : roots_(other.roots_), layers_(other.layers_) {
  std::unordered_map<const Entry*, Inode> copies;
  copy_node(other.root_, root_, copies);
}

MergedTree& MergedTree::operator=(const MergedTree& other) {
  if (this != &other) *this = MergedTree(other);
  return *this;
}

void MergedTree::apply(const LayerIndex& layer, const std::string& layer_name, const std::string& scope) {
  Applier applier(*this, layer, layer_name, scope);
  for (const Entry& entry : layer.entries)
    applier.apply(entry);
}

const MergedTree::Node* MergedTree::find(std::string_view path) const {
  const Node* node = &root_;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const auto child = node->children.find(path.substr(0, slash));
    if (child == node->children.end()) return nullptr;
    node = &child->second;
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return node;
}

std::optional<std::string> MergedTree::resolve(std::string_view path, bool follow_last) const {
  std::string resolved;
  // The nodes from the root to `resolved`; null from the first part that does not exist.
  std::vector<const Node*> nodes{&root_};
  std::string pending;  // keeps the text of links alive
  std::string_view rest = path;
  int links = 0;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      if (nodes.size() == 1) continue;
      nodes.pop_back();
      const std::size_t cut = resolved.rfind('/');
      resolved.resize(cut == std::string::npos ? 0 : cut);
      continue;
    }
    const Node* node = nullptr;
    if (nodes.back() != nullptr) {
      const auto child = nodes.back()->children.find(name);
      if (child != nodes.back()->children.end()) node = &child->second;
    }
    const bool last = rest.find_first_not_of('/') == std::string_view::npos;
    if (node != nullptr && node->inode->type == EntryType::symlink && (!last || follow_last)) {
      if (++links > kMaximumLinks) return std::nullopt;
      const std::string_view target = node->inode->link;
      if (target.starts_with('/')) {
        nodes.resize(1);
        resolved.clear();
      }
      pending = joined(target, rest);
      rest = pending;
      continue;
    }
    nodes.push_back(node);
    if (!resolved.empty()) resolved += '/';
    resolved += name;
  }
  return resolved;
}

void MergedTree::walk(const std::function<void(const std::string&, const Node&)>& visit) const {
  walk_node({}, root_, visit);
}

std::vector<Entry> MergedTree::entries() const {
  std::vector<Entry> result;
  result.reserve(count_nodes(root_));
  std::unordered_map<const Entry*, std::size_t> first_names;
  const auto add = [&](const std::string& path, const Node& node) {
    Entry& entry = result.emplace_back(*node.inode);
    entry.path = path;
    if (node.inode.use_count() > 1) {
      const auto [found, is_first] = first_names.try_emplace(node.inode.get(), result.size() - 1);
      if (!is_first) {
        entry.type = EntryType::hardlink;
        entry.link = result[found->second].path;
        entry.size = 0;
        entry.digest = {};
        entry.device_major = entry.device_minor = 0;
        entry.place = {};
      }
    }
  };
  std::string path;
  add(path, root_);
  walk_in_byte_order(path, root_, add);
  return result;
}

std::uint32_t MergedTree::intern_root(const std::string& name) {
  const auto found = std::find(roots_.begin(), roots_.end(), name);
  if (found != roots_.end()) return static_cast<std::uint32_t>(found - roots_.begin());
  roots_.push_back(name);
  return static_cast<std::uint32_t>(roots_.size() - 1);
}

}  // namespace bottle::oci
