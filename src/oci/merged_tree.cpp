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
    copy_node(child, to.children.try_emplace(to.children.end(), name)->second, copies);
}

std::string quoted(std::string_view name) {
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
    if (entry.path.empty()) {
      apply_to_root(entry);
      return;
    }
    if (entry.type == EntryType::opaque) {
      hide_lower(make_directories(entry.path, entry), number_);
      return;
    }
    Node& parent = make_directories(parent_path(entry.path), entry);
    const std::string_view name = base_name(entry.path);
    if (entry.type == EntryType::whiteout) {
      apply_whiteout(parent, name);
      return;
    }
    const Node* target = entry.type == EntryType::hardlink ? &link_target(entry) : nullptr;
    auto found = parent.children.find(name);
    if (found != parent.children.end() && &found->second == target) fail(entry, "hard link to itself");
    Inode inode = target != nullptr ? linked_inode(*target, entry) : new_inode(entry);
    if (found == parent.children.end())
      found = parent.children.try_emplace(std::string(name)).first;
    else if (entry.type != EntryType::directory)
      found->second.children.clear();
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
      fail(entry, "the root can only be a directory");
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
    auto inode = std::make_shared<Entry>(entry);
    inode->path.clear();
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
    if (node == nullptr) fail(entry, "hard link to " + quoted(entry.link) + ", which does not exist");
    if (is_directory(*node)) fail(entry, "hard link to the directory " + quoted(entry.link));
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
        child = node->children.try_emplace(std::string(name)).first;
        child->second.inode = make_directory();
      } else if (!is_directory(child->second)) {
        fail(entry, quoted(name) + " in its path is not a directory");
      }
      node = &child->second;
      // A whiteout is no reason to keep the directory it is in.
      if (entry.type != EntryType::whiteout && entry.type != EntryType::opaque) node->layer = number_;
    }
    return *node;
  }

  [[noreturn]] void fail(const Entry& entry, const std::string& message) const {
    throw Error("cannot apply " + quoted(entry.path) + ": " + message, {.where = name_});
  }

  MergedTree& tree_;
  const std::string& name_;
  std::uint32_t number_;
  std::vector<std::uint32_t> roots_;  // number in the layer -> number in the tree
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
      const std::string& target = node->inode->link;
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
  std::vector<std::pair<std::string, const Node*>> nodes;
  walk([&](const std::string& path, const Node& node) { nodes.emplace_back(path, &node); });
  std::sort(nodes.begin(), nodes.end(),
            [](const auto& left, const auto& right) { return left.first < right.first; });
  std::vector<Entry> result;
  result.reserve(nodes.size());
  std::unordered_map<const Entry*, std::size_t> first_names;
  for (auto& [path, node] : nodes) {
    Entry entry = *node->inode;
    entry.path = std::move(path);
    if (node->inode.use_count() > 1) {
      const auto [found, is_first] = first_names.try_emplace(node->inode.get(), result.size());
      if (!is_first) {
        entry.type = EntryType::hardlink;
        entry.link = result[found->second].path;
        entry.size = 0;
        entry.digest = {};
        entry.device_major = entry.device_minor = 0;
        entry.place = {};
      }
    }
    result.push_back(std::move(entry));
  }
  return result;
}

std::uint32_t MergedTree::intern_root(const std::string& name) {
  const auto found = std::find(roots_.begin(), roots_.end(), name);
  if (found != roots_.end()) return static_cast<std::uint32_t>(found - roots_.begin());
  roots_.push_back(name);
  return static_cast<std::uint32_t>(roots_.size() - 1);
}

}  // namespace bottle::oci
