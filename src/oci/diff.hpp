// SPDX-License-Identifier: Apache-2.0
// The layer that makes one tree out of another.
// Source: OCI image-spec 1.1, layer.md "Determining Changes", "Representing Changes"; order and parents as
// containerd's diff writes them.
#pragma once

#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"

namespace bottle::oci {

// Applied to `lower` the result gives `upper`: what was added or changed with the directories above it (an
// unchanged parent is there for readers that need one), and a whiteout for the topmost path of all that went.
// In path order, except that the first changed name of an inode with several comes before its other names,
// which are hard links to it; an unchanged name of a changed inode is repeated. Places refer to the roots of
// `upper`.
LayerIndex diff(const MergedTree& lower, const MergedTree& upper);

// Whether two nodes are the same: type, mode, owner, attributes, and for all but directories time, link,
// device and content.
bool same_node(const MergedTree::Node& lower, const MergedTree::Node& upper);

}  // namespace bottle::oci
