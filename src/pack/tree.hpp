// SPDX-License-Identifier: Apache-2.0
// The file tree of a pack (its layers on top of each other) or of a directory, as rows that can be compared.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pack/pack_file.hpp"
#include "util/digest.hpp"
#include "util/file.hpp"

namespace bottle::pack {

struct TreeRow {
  std::string path;  // "" is the root
  std::string type;  // file directory symlink hardlink char block fifo
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;  // of a file
  Digest digest;           // of a file
  std::string link;        // of a symlink or hard link (path of the first name in byte order)
  bool operator==(const TreeRow&) const = default;
};

// Sorted by the bytes of the path. Of the names of one file the first is the file, the others are hard links
// to it. Device nodes are rows only where they are not overlay whiteouts (character device 0:0 in an upper
// layer).
std::vector<TreeRow> tree_of_pack(const OpenPack& pack);
std::vector<TreeRow> tree_of_directory(const fs::path& directory);

// ["path","type","0755",uid,gid,size,"sha256:<hex>" or link], one row.
std::string tree_row_json(const TreeRow& row);

struct TreeDifference {
  std::string path;
  std::string what;  // "only in A", "only in B", or the field: "type", "mode", "owner", "link", "content"
  std::string a;
  std::string b;
};
enum class Owners { compare, ignore };
std::vector<TreeDifference> compare_trees(const std::vector<TreeRow>& a, const std::vector<TreeRow>& b,
                                          Owners owners);

}  // namespace bottle::pack
