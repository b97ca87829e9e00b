// SPDX-License-Identifier: Apache-2.0
// What an instruction takes of an image: the entries that decide its result, for its key. What it takes of a
// context is found by ContextScan.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "copy/copy.hpp"
#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"
#include "util/digest.hpp"

namespace bottle::copy {

// Which attributes of the entries decide the result. The others are left out of keys.
struct EntryDetail {
  bool modes = true;        // false: --chmod replaces all of them
  bool user_xattrs = true;  // false: user.* attributes do not enter the layer
  bool named = true;  // false: those of a directory that a source names; what is below it alone is copied

  // Of COPY and ADD.
  static EntryDetail of(const CopyRequest& request);
};

// Sets what does not decide the result to a fixed value. `is_named`: a source names the entry itself.
void remove_detail(const EntryDetail& detail, bool is_named, oci::Entry& entry);

// The entries of `tree` that copy() looks at for the request's sources, with their places, sorted by path;
// symbolic links that lead to a source are among them, and further names of a file are hard links to its
// first. `is_elsewhere` says of a source, by its number, that it is not in the tree. A source that names
// nothing takes nothing: copy() reports it.
oci::LayerIndex selected_entries(const oci::MergedTree& tree, const CopyRequest& request,
                                 const std::function<bool(std::size_t)>& is_elsewhere);

// What is at and below `source`, links in the way followed, as a mount shows it.
Digest subtree_digest(const oci::MergedTree& tree, const std::string& source);

}  // namespace bottle::copy
