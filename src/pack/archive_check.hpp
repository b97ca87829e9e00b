// SPDX-License-Identifier: Apache-2.0
// Checks on the members of one inner archive as they pass: names, duplicates, parents, link targets.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "pack/findings.hpp"
#include "pack/pack_tar.hpp"

namespace bottle::pack {

class ArchiveCheck {
 public:
  explicit ArchiveCheck(std::string name) : name_(std::move(name)) {}

  // The path of the member, checked. Throws for what makes the tree it describes ambiguous or incomplete: a
  // path twice, a path through a file or symbolic link, a hard link to what has not come yet.
  std::string check(const PackTar& tar, const TarItem& item);
  // What smolvm would skip or refuse on some hosts.
  void report(Findings& findings) const;

 private:
  enum class Kind : std::uint8_t { directory, implied, other, skipped };

  std::string name_;
  // By hash of the path: 16 bytes an entry whatever the names' lengths.
  std::unordered_map<std::uint64_t, Kind> seen_;
  std::uint64_t skipped_ = 0;
  std::uint64_t whiteouts_ = 0;
  std::uint64_t unsafe_links_ = 0;
  std::string first_skipped_;
  std::string first_whiteout_;
  std::string first_unsafe_link_;
};

// Whether smolvm, running as root, accepts a symbolic link: its target, taken lexically, stays inside, and an
// absolute one is not the root itself.
bool symlink_unpacks(const std::string& path, const std::string& target);

}  // namespace bottle::pack
