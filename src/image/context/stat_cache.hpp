// SPDX-License-Identifier: Apache-2.0
// What a file's digest was when its status was last seen, so that an unchanged file is not read again. One
// file a context root, in <store>/stat/, shared by every bottle and build tree that uses that directory.
//
// File format, numbers as this machine writes them (64 bits where not said): "bottle-stat-cache 3\n"; how
// many records there are; the length of the text; a check sum over all that follows. Then the records, sorted
// by path: device, inode, size, mtime ns, ctime ns, SHA-256 (32 bytes), and in 32 bits each where the
// record's text begins, the length of the path, that of the attributes behind it, 0. Then the text: paths,
// and attributes as "<name>=<value>..." separated by blanks (util/text.hpp escape_word). A file that is not
// whole is ignored (a crash may leave one: it is not flushed to disk).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/xattrs.hpp"
#include "util/digest.hpp"
#include "util/file.hpp"

namespace bottle::image::context {

// What must be equal for a file to count as unchanged.
struct FileStatus {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  bool operator==(const FileStatus&) const = default;

  static FileStatus of(const struct stat& status);
};

// What reading a file found; both change ctime when they change.
struct FileContent {
  Digest digest;
  oci::Xattrs xattrs;
  bool operator==(const FileContent&) const = default;
};

class StatCache {
 public:
  // The cache of the directory `root` (absolute) below `store`; an absent or unreadable one is empty.
  StatCache(const fs::path& store, const fs::path& root);

  // Null if it is not known; the pointer is good until the next find() or add(). Fastest for paths in order.
  const FileContent* find(const std::string& path, const FileStatus& status) const;
  // Remembers what was read from `read_at` on (ns since 1970), unless the file had changed so
  // recently then (kRacyWindow) that a change after the reading could have left the same status.
  void add(const std::string& path, const FileStatus& status, const FileContent& content,
           std::int64_t read_at);
  // Writes the entries if any was added. Failing to write (read-only store) is not an error: it only costs
  // time.
  void save();

  static constexpr std::int64_t kRacyWindow =
      50'000'000;  // ns; several times the kernel's timestamp granularity

 private:
  struct Record;
  Record record(std::size_t number) const;
  std::string_view path_of(const Record& record) const;
  std::string_view xattrs_of(const Record& record) const;

  fs::path file_;
  std::string data_;  // the file, or nothing
  std::size_t count_ = 0;
  std::map<std::string, std::pair<FileStatus, FileContent>> added_;
  mutable std::size_t next_ = 0;  // the record behind the one that was found last
  mutable FileContent found_;
};

}  // namespace bottle::image::context
