// SPDX-License-Identifier: Apache-2.0
// The entries of a merged tree as a pack can hold them: what would break or be lost when smolvm unpacks them
// is rewritten, left out or reported (docs/formats/smolmachine.md, "What is changed on the way in").
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oci/entry.hpp"
#include "oci/merged_tree.hpp"
#include "pack/findings.hpp"
#include "pack/smolvm_version.hpp"

namespace bottle::pack {

struct PackEntries {
  std::vector<oci::Entry> entries;  // files, directories, symlinks, hard links; the root directory first
  std::uint64_t file_bytes = 0;     // sum of the files' sizes
};

// `what` names the tree in findings ("image", "agent rootfs"); `smolvm` is the version that the pack is meant
// for. More than smolvm unpacks is an Error.
PackEntries pack_entries(const oci::MergedTree& tree, const std::string& what, const SmolvmVersion& smolvm,
                         Findings& findings);

// How smolvm unpacks a symbolic link depends on its target alone, taken lexically: a target that leaves the
// image, or an absolute one that is the image's root, makes the unpacking of the whole pack fail on hosts
// where smolvm runs as root. This gives an equivalent target that unpacks, `target` itself if it is one
// already, or an empty string if there is none. `path` is the link's.
std::string safe_symlink_target(const oci::MergedTree& tree, const std::string& path,
                                const std::string& target);

}  // namespace bottle::pack
