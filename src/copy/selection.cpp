// SPDX-License-Identifier: Apache-2.0
#include "copy/selection.hpp"

#include <map>
#include <set>

#include "copy/mode.hpp"
#include "copy/sources.hpp"
#include "copy/unpack.hpp"
#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::copy {
namespace {

using Node = oci::MergedTree::Node;

// Notes the links that are followed: the copy follows them again.
class NotedTree : public MergedSourceTree {
 public:
  using MergedSourceTree::MergedSourceTree;
  std::string read_link(const std::string& path) const override {
    links_.insert(path);
    return MergedSourceTree::read_link(path);
  }
  const std::set<std::string>& links() const { return links_; }

 private:
  mutable std::set<std::string> links_;
};

class Selection {
 public:
  explicit Selection(const oci::MergedTree& tree) : tree_(tree), noted_(tree) {}

  void take(const Source& source) {
    for (const SourceMatch& match : find_matches(noted_, source.pattern)) {
      const Node* node = tree_.find(match.path);
      if (node == nullptr) continue;
      const bool is_directory = node->inode->type == oci::EntryType::directory;
      add(match.path, *node, is_directory);
      if (is_directory) take_below(source, match.path, "", *node);
    }
  }

  oci::LayerIndex index(const CopyRequest& request) {
    for (const std::string& link : noted_.links())
      add(link, *tree_.find(link), false);
    const EntryDetail detail = EntryDetail::of(request);
    oci::LayerIndex index;
    std::map<const oci::Entry*, std::string> names;
    for (const auto& [path, item] : items_) {
      if (path.empty()) continue;  // as in a context: what is below it alone is copied
      oci::Entry entry = *item.node->inode;
      entry.path = path;
      if (!request.keep_times) entry.mtime = 0;
      if (request.chown && !request.chown->empty()) entry.uid = entry.gid = 0;
      remove_detail(detail, item.is_named, entry);
      const auto [first, is_new] = names.try_emplace(item.node->inode.get(), path);
      if (!is_new) {
        entry.type = oci::EntryType::hardlink;
        entry.link = first->second;
        entry.place = {};
      }
      if (entry.place.root != oci::Place::kNone)
        entry.place.root = index.root(tree_.roots().at(entry.place.root));
      index.entries.push_back(std::move(entry));
    }
    return index;
  }

 private:
  struct Item {
    const Node* node;
    bool is_named;  // and nothing else took it
  };

  void add(const std::string& path, const Node& node, bool is_named) {
    const auto [item, is_new] = items_.try_emplace(path, Item{&node, is_named});
    if (!is_new && !is_named) item->second.is_named = false;
  }

  // Whether anything was selection.
  bool take_below(const Source& source, const std::string& root, const std::string& relative,
                  const Node& directory) {
    bool took_any = false;
    for (const auto& [name, child] : directory.children) {
      const std::string below = join_path(relative, name);
      bool takes = source.takes(below);
      // A directory on the way to something taken comes along, with its own attributes.
      if (child.inode->type == oci::EntryType::directory && source.may_take_below(below))
        takes |= take_below(source, root, below, child);
      if (takes) add(join_path(root, below), child, false);
      took_any |= takes;
    }
    return took_any;
  }

  const oci::MergedTree& tree_;
  NotedTree noted_;
  std::map<std::string, Item> items_;
};

}  // namespace

EntryDetail EntryDetail::of(const CopyRequest& request) {
  // A directory that is only on the way to something taken gives its own mode to one that exists already.
  const bool has_directories_on_the_way = request.parents || !request.excludes.empty();
  const bool replaces = request.chmod && !request.chmod->empty() && !has_directories_on_the_way &&
                        ModeChange::parse(*request.chmod).replaces_mode();
  return {.modes = !replaces, .user_xattrs = false, .named = false};
}

void remove_detail(const EntryDetail& detail, bool is_named, oci::Entry& entry) {
  const bool is_directory = entry.type == oci::EntryType::directory;
  if (!detail.user_xattrs) keep_layer_xattrs(entry);
  if (is_named && is_directory && !detail.named) {
    entry.uid = entry.gid = 0;
    entry.xattrs = {};
  } else if (detail.modes || entry.type == oci::EntryType::symlink) {
    return;
  }
  entry.mode = is_directory ? 0755 : 0644;
}

oci::LayerIndex selected_entries(const oci::MergedTree& tree, const CopyRequest& request,
                                 const std::function<bool(std::size_t)>& is_elsewhere) {
  Selection selection(tree);
  for (std::size_t i = 0; i < request.sources.size(); ++i)
    if (!is_elsewhere(i)) selection.take(parse_source(request.sources[i], request.parents, request.excludes));
  return selection.index(request);
}

Digest subtree_digest(const oci::MergedTree& tree, const std::string& source) {
  const auto path = tree.resolve(path_in_root(source), true);
  const Node* top = path ? tree.find(*path) : nullptr;
  if (top == nullptr) return sha256("nothing");
  oci::LayerIndex index;
  std::map<const oci::Entry*, std::string> names;
  const std::function<void(const std::string&, const Node&)> visit = [&](const std::string& name,
                                                                         const Node& node) {
    oci::Entry entry = *node.inode;
    entry.path = name;
    entry.place = {};
    const auto [first, is_new] = names.try_emplace(node.inode.get(), name);
    if (!is_new) {
      entry.type = oci::EntryType::hardlink;
      entry.link = first->second;
    }
    index.entries.push_back(std::move(entry));
    for (const auto& [child_name, child] : node.children)
      visit(name + "/" + child_name, child);
  };
  visit(".", *top);
  return index.digest();
}

}  // namespace bottle::copy
