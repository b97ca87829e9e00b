// SPDX-License-Identifier: Apache-2.0
// Makes files below a directory from untrusted names: nothing is followed, nothing outside is touched.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "oci/stream.hpp"
#include "util/file.hpp"

namespace bottle::pack {

struct FileFacts {
  std::uint32_t mode = 0755;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime = 0;
};

// Paths are relative, plain ("a/b", without "." and ".."); "" is the directory itself. An existing file with
// the name of a new entry is removed first, except a directory where a directory goes. Missing parents are
// made, and parents that are not directories replaced.
class TreeWriter {
 public:
  explicit TreeWriter(const fs::path& directory);

  void directory(const std::string& path, const FileFacts& facts);
  // Blocks of zeros become holes.
  void file(const std::string& path, const FileFacts& facts, std::uint64_t size, const oci::Source& content);
  void symlink(const std::string& path, const FileFacts& facts, const std::string& target);
  void hardlink(const std::string& path, const std::string& target);
  void remove(const std::string& path);
  // Gives the directories below the root their modes, owners and times, deepest first; then nothing more may
  // be made.
  void finish();
  // The same for the directory itself.
  void finish_root();

 private:
  int parent(const std::string& path);
  void make_way(int parent, const std::string& path);
  void set_facts(int descriptor, const std::string& path, const FileFacts& facts) const;
  std::string place(std::string_view path) const;

  std::string name_;
  Fd root_;
  bool owners_;  // this process may give files away
  std::map<std::string, FileFacts> directories_;
  // The parent of the last entry stays open: entries come in path order.
  std::string parent_path_;
  Fd parent_;
};

}  // namespace bottle::pack
