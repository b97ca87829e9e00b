// SPDX-License-Identifier: Apache-2.0
// COPY and ADD as BuildKit does them, on trees instead of disks: nothing is read but what --chown by name and
// archives need, and nothing is written. The result is the layer that the instruction makes.
//
// Source: BuildKit, frontend/dockerfile/dockerfile2llb (dispatchCopy) and solver/llbsolver/file;
// tonistiigi/fsutil, package copy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "copy/archive.hpp"
#include "image/model/users.hpp"
#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"
#include "util/digest.hpp"

namespace bottle::copy {

struct CopyRequest {
  bool is_add = false;
  std::vector<std::string> sources;  // expanded, else as written
  std::string destination;           // expanded; relative to `workdir`; a '/' at its end matters
  std::string workdir = "/";
  std::optional<std::string> chown;  // "user", "user:group", names or numbers; empty is as absent
  std::optional<std::string> chmod;  // octal or symbolic; empty is as absent
  bool link = false;
  bool parents = false;
  std::vector<std::string> excludes;
  std::optional<bool> unpack;  // absent: archives are unpacked by ADD only

  // The mtime of everything made.
  std::int64_t epoch = 0;
  // Entries of the source tree and of archives keep theirs instead, as BuildKit does it; `epoch` then is for
  // what has no other (directories on the way, heredocs).
  bool keep_times = false;

  // A heredoc; copied after `sources`. Digest and size are of its content, the bytes are the blob `root`.
  struct Inline {
    std::string name;
    Digest digest;
    std::uint64_t size = 0;
    std::string root;  // "blob:sha256:<hex>"
  };
  std::vector<Inline> inlines;

  // Sources that are not in the tree of the others, by their number in `sources`: what is downloaded.
  struct Apart {
    const oci::MergedTree* tree = nullptr;
    std::string path;     // in it; "" is all of it
    bool unpack = false;  // if it is an archive
  };
  std::map<std::size_t, Apart> apart;

  image::ReadContent read_destination;  // for --chown by name: a file of `destination`
  image::Warn warn;                     // may be empty

  // Whether the layer does not depend on the destination. With --chmod BuildKit ignores --link.
  bool is_independent() const { return link && (!chmod || chmod->empty()); }
};

// Both trees stay as they are. The layer's entries are sorted by path and hold what differs from
// `destination` together with the directories above it (existing ones with their attributes), but never the
// root. Roots are the names of the trees', so a layer of scoped names must be applied without a scope.
//
// If the request is independent the destination is not looked at: the layer is the same on any other.
//
// Of extended attributes only security.capability enters the layer, because BuildKit writes no other into
// layers.
//
// Throws Error (without a place, which the caller knows) for sources that do not exist, malformed patterns
// and options, files where directories are needed and the reverse.
oci::LayerIndex copy(const oci::MergedTree& source, const oci::MergedTree& destination,
                     const CopyRequest& request, const ArchiveOpener& open_archive);
// The same, with less memory: `source` is good for nothing afterwards.
oci::LayerIndex copy(oci::MergedTree&& source, const oci::MergedTree& destination, const CopyRequest& request,
                     const ArchiveOpener& open_archive);

}  // namespace bottle::copy
