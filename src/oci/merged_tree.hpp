// SPDX-License-Identifier: Apache-2.0
// The file system that a list of layers makes: whiteouts and opaque directories applied, hard links resolved
// to shared inodes. Source: OCI image-spec 1.1, layer.md "Applying Changesets"; where the text is silent,
// what containerd's archive.Apply does (parents that are symbolic links are followed inside the root, missing
// parents are made as 0755 root directories).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/children.hpp"
#include "oci/entry.hpp"
#include "oci/layer_index.hpp"

namespace bottle::oci {

class MergedTree {
 public:
  // What hard links share: an Entry whose `path` is meaningless here and whose place.root is a number in
  // roots().
  using Inode = std::shared_ptr<Entry>;

  struct Node {
    Inode inode;
    Children<Node> children;  // of a directory
    // The number of the last layer (from 1) that put this node or something below it: what whiteouts of the
    // same layer do not hide.
    std::uint32_t layer = 0;
  };

  MergedTree();
  // Copies are independent: no inode is shared between trees.
  MergedTree(const MergedTree& other);
  MergedTree& operator=(const MergedTree& other);
  MergedTree(MergedTree&&) noexcept = default;
  MergedTree& operator=(MergedTree&&) noexcept = default;

  // Applies a layer on top. `scope` is put before the names of context roots ("" or "<scope>/"). Throws on
  // entries that no correct layer has (path through a file, hard link to nothing), naming `layer_name` and
  // the entry.
  void apply(const LayerIndex& layer, const std::string& layer_name, const std::string& scope = "");

  // The node at the path taken literally (no link is followed), or null.
  const Node* find(std::string_view path) const;
  // The path with all symbolic links followed inside the root as chroot would; the last component only if
  // `follow_last`. Parts that do not exist are kept as they are. nullopt for a loop (more than 255 links).
  std::optional<std::string> resolve(std::string_view path, bool follow_last) const;

  const Node& root() const { return root_; }
  const std::vector<std::string>& roots() const { return roots_; }

  // Every node in path order (parents first; children by bytes of their name below each directory), with its
  // path.
  void walk(const std::function<void(const std::string& path, const Node& node)>& visit) const;
  // The tree as flat entries in *byte order of the whole path* (the order packs use): hard links become
  // entries of type hardlink to the first path (in this order) of their inode. The root directory comes
  // first.
  std::vector<Entry> entries() const;

 private:
  class Applier;

  std::uint32_t intern_root(const std::string& name);
  Node root_;
  std::vector<std::string> roots_;
  std::uint32_t layers_ = 0;
};

}  // namespace bottle::oci
