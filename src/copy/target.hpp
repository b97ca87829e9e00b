// SPDX-License-Identifier: Apache-2.0
// A tree that is being changed: what an instruction does to a destination, kept apart from the destination,
// so that the difference is the layer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "copy/sources.hpp"
#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"

namespace bottle::copy {

// Paths are literal (no link is followed) and relative to the root, as oci::Entry::path.
class CopyTarget final : public SourceTree {
 public:
  using Inode = std::shared_ptr<oci::Entry>;

  // `below` must outlive it and not change.
  explicit CopyTarget(const oci::MergedTree& below) : below_(below) { top_.below = &below.root(); }

  Kind kind(const std::string& path) const override;
  std::string read_link(const std::string& path) const override;
  std::vector<std::string> list(const std::string& path) const override;
  // What is there now, or null.
  const oci::Entry* find(std::string_view path) const;

  // The number that stands for a root in the places of entries given to put().
  std::uint32_t root(std::string_view name) { return layer_.root(name); }

  // Puts something where a directory above is; what is there is replaced, with all that is below it, except
  // that a directory put on a directory keeps what is below. Inodes put at several paths are hard links.
  void put(const std::string& path, Inode inode);
  // The inode at an existing path, to be changed or put elsewhere too.
  Inode change(const std::string& path);
  void remove(const std::string& path);

  // What differs from `below`, sorted by path, with the directories above each difference as they are. The
  // root directory is never among it. Names that mark whiteouts in a layer become the whiteouts that they are
  // when the layer is unpacked.
  oci::LayerIndex changes() &&;

 private:
  struct Node {
    const oci::MergedTree::Node* below = nullptr;  // what was there before; null if nothing was
    Inode upper;                                   // what is there now, if that is not what was below
    oci::Children<Node> children;
    bool hides_below = false;  // nothing of what was below this directory is left
    bool is_removed = false;
  };
  // What differs, with the identity of each entry that may have hard links, else null.
  struct Changes {
    std::vector<oci::Entry> entries;
    std::vector<const oci::Entry*> inodes;
  };

  Node& touch(std::string_view path);
  void forget_directory();
  static const oci::Entry* entry_of(const Node& node);
  bool collect(const Node& node, const std::string& path, Changes& changes) const;
  static void put_in_order(Changes& changes);

  const oci::MergedTree& below_;
  Node top_;
  // The directory that touch() was in last: most of what is copied goes where its neighbour went.
  std::string directory_;
  Node* directory_node_ = nullptr;  // null: none
  std::size_t count_ = 0;           // of nodes made
  oci::LayerIndex layer_;
};

}  // namespace bottle::copy
