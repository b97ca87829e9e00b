// SPDX-License-Identifier: Apache-2.0
#include "pack/tree.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>

#include "pack/layer_walk.hpp"
#include "pack/verify.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"

namespace bottle::pack {
namespace {

// What several names share; `type` is never hardlink here.
using Inode = std::shared_ptr<TreeRow>;

class Tree {
 public:
  void put(const std::string& path, Inode inode) {
    make_parents(path);
    const auto found = nodes_.find(path);
    if (found != nodes_.end() && !(found->second->type == "directory" && inode->type == "directory"))
      remove(path);
    nodes_[path] = std::move(inode);
  }

  Inode find(const std::string& path) const {
    const auto found = nodes_.find(path);
    return found == nodes_.end() ? nullptr : found->second;
  }

  void remove(const std::string& path) {
    nodes_.erase(path);
    // All below lie between "path/" and "path0", '0' being the byte after '/'.
    nodes_.erase(nodes_.lower_bound(path + "/"), nodes_.lower_bound(path + "0"));
  }

  std::vector<TreeRow> rows() const {
    std::vector<TreeRow> rows;
    std::unordered_map<const TreeRow*, std::string> first_names;
    for (const auto& [path, inode] : nodes_) {
      TreeRow row = *inode;
      row.path = path;
      const auto [first, is_first] = first_names.try_emplace(inode.get(), path);
      if (!is_first && row.type != "directory") {
        row.type = "hardlink";
        row.link = first->second;
        row.size = 0;
        row.digest = {};
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  // A missing parent is a directory 0755 of root; a parent in a lower layer that is not a directory is
  // replaced by one.
  void make_parents(const std::string& path) {
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      const std::string parent = path.substr(0, slash);
      const auto found = nodes_.find(parent);
      if (found != nodes_.end() && found->second->type == "directory") continue;
      if (found != nodes_.end()) remove(parent);
      nodes_[parent] = std::make_shared<TreeRow>(TreeRow{.type = "directory", .mode = 0755});
    }
  }

  std::map<std::string, Inode> nodes_;
};

Digest hash_content(PackTar& tar) {
  std::vector<std::byte> buffer(64u << 10);
  Sha256 hasher;
  while (const std::size_t count = tar.read(buffer))
    hasher.update(std::span(buffer).first(count));
  return hasher.finish();
}

Digest hash_file(const fs::path& path) {
  const Fd file = open_for_reading(path, O_NOFOLLOW | O_NONBLOCK);
  std::vector<std::byte> buffer(256u << 10);
  Sha256 hasher;
  while (const std::size_t count = read_some(file.get(), buffer, path.native()))
    hasher.update(std::span(buffer).first(count));
  return hasher.finish();
}

TreeRow row_of_file(const fs::path& path, const struct stat& status) {
  TreeRow row;
  row.mode = status.st_mode & 07777u;
  row.uid = status.st_uid;
  row.gid = status.st_gid;
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      row.type = "file";
      row.size = static_cast<std::uint64_t>(status.st_size);
      row.digest = hash_file(path);
      break;
    case S_IFDIR:
      row.type = "directory";
      break;
    case S_IFLNK:
      row.type = "symlink";
      row.link = fs::read_symlink(path).native();
      break;
    case S_IFCHR:
      row.type = "char";
      break;
    case S_IFBLK:
      row.type = "block";
      break;
    default:
      row.type = "fifo";
  }
  return row;
}

std::string mode_text(const TreeRow& row) {
  return fmt::format("{:04o}", row.mode);
}
std::string owner_text(const TreeRow& row) {
  return fmt::format("{}:{}", row.uid, row.gid);
}
std::string content_text(const TreeRow& row) {
  return fmt::format("{} bytes {}", row.size, row.digest.string());
}

}  // namespace

std::vector<TreeRow> tree_of_pack(const OpenPack& pack) {
  check_checksum(pack);
  Tree tree;
  tree.put("", std::make_shared<TreeRow>(TreeRow{.type = "directory", .mode = 0755}));
  int layers = 0;
  walk_layers(
      pack, [&](const std::string&) { ++layers; },
      [&](const std::string& path, const TarItem& item, PackTar& tar) {
        if (item.type == TarType::hardlink) {
          if (const Inode target = tree.find(hardlink_path(tar, item))) tree.put(path, target);
          return;
        }
        if (item.type == TarType::other) return;
        if (item.type == TarType::char_device && layers > 1 && item.device_major == 0 &&
            item.device_minor == 0) {
          tree.remove(path);
          return;
        }
        TreeRow row{.type = type_name(item.type), .mode = item.mode, .uid = item.uid, .gid = item.gid};
        if (item.type == TarType::file) {
          row.size = item.size;
          row.digest = hash_content(tar);
        }
        if (item.type == TarType::symlink) {
          row.link = item.link;
          row.mode = 0777;
        }
        tree.put(path, std::make_shared<TreeRow>(std::move(row)));
      });
  return tree.rows();
}

std::vector<TreeRow> tree_of_directory(const fs::path& directory) {
  std::map<std::string, Inode> found;
  std::map<std::pair<dev_t, ino_t>, Inode> inodes;
  const auto add = [&](const std::string& path) {
    check_interrupted();
    const fs::path full = path.empty() ? directory : directory / path;
    struct stat status;
    const int result = path.empty() ? ::stat(full.c_str(), &status) : ::lstat(full.c_str(), &status);
    if (result != 0) throw_errno("cannot stat", full.native());
    Inode& inode = inodes[{status.st_dev, status.st_ino}];
    if (!inode) inode = std::make_shared<TreeRow>(row_of_file(full, status));
    found[path] = inode;
    return S_ISDIR(status.st_mode);
  };
  std::vector<std::string> pending;
  if (!add("")) throw Error("expected a directory", {.where = directory.native()});
  pending.emplace_back();
  while (!pending.empty()) {
    const std::string parent = std::move(pending.back());
    pending.pop_back();
    for (const fs::directory_entry& entry : fs::directory_iterator(directory / parent)) {
      const std::string name = entry.path().filename().native();
      const std::string path = parent.empty() ? name : parent + "/" + name;
      if (add(path)) pending.push_back(path);
    }
  }
  Tree tree;
  for (auto& [path, inode] : found)
    tree.put(path, inode);
  return tree.rows();
}

std::string tree_row_json(const TreeRow& row) {
  Json json = Json::array();
  json.push_back(row.path);
  json.push_back(row.type);
  json.push_back(mode_text(row));
  json.push_back(row.uid);
  json.push_back(row.gid);
  json.push_back(row.size);
  json.push_back(row.type == "file" ? row.digest.string() : row.link);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<TreeDifference> compare_trees(const std::vector<TreeRow>& a, const std::vector<TreeRow>& b,
                                          Owners owners) {
  std::vector<TreeDifference> differences;
  auto left = a.begin();
  auto right = b.begin();
  while (left != a.end() || right != b.end()) {
    if (right == b.end() || (left != a.end() && left->path < right->path)) {
      differences.push_back({left->path, "only in A", left->type, ""});
      ++left;
      continue;
    }
    if (left == a.end() || right->path < left->path) {
      differences.push_back({right->path, "only in B", "", right->type});
      ++right;
      continue;
    }
    const auto differ = [&](const char* what, const std::string& from, const std::string& to) {
      if (from != to) differences.push_back({left->path, what, from, to});
    };
    differ("type", left->type, right->type);
    if (left->type == right->type) {
      if (left->type != "symlink") differ("mode", mode_text(*left), mode_text(*right));
      if (owners == Owners::compare) differ("owner", owner_text(*left), owner_text(*right));
      differ("link", left->link, right->link);
      if (left->type == "file") differ("content", content_text(*left), content_text(*right));
    }
    ++left;
    ++right;
  }
  return differences;
}

}  // namespace bottle::pack
