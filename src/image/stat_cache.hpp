// What a file's digest was when its status was last seen, so that an unchanged file is not read again. One
// file a context root, in <store>/stat/, shared by every bottle and build tree that uses that directory.
//
// File format: "bottle-stat-cache 2", then a line a file "<device> <inode> <size> <mtime ns> <ctime ns>
// <SHA-256 hex> <path>[ <attribute>=<value>...]" (util/text.hpp escape_word), then "end <count>". A file
// without its end is ignored (a crash may leave one: it is not flushed to disk).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "util/digest.hpp"
#include "util/file.hpp"

namespace bottle::image {

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
  std::vector<std::pair<std::string, std::string>> xattrs;
  bool operator==(const FileContent&) const = default;
};

class StatCache {
 public:
  // The cache of the directory `root` (absolute) below `store`; an absent or unreadable one is empty.
  StatCache(const fs::path& store, const fs::path& root);

  // Null if it is not known; the pointer is good until the next add().
  const FileContent* find(const std::string& path, const FileStatus& status) const;
  // Remembers what was read from `read_at` on (ns since 1970), unless the file had changed so
  // recently then (kRacyWindow) that a change after the reading could have left the same status.
  void add(const std::string& path, const FileStatus& status, const FileContent& content,
           std::int64_t read_at);
  // Writes the entries if any was added. Failing to write (read-only store) is no error: it only costs time.
  void save();

  static constexpr std::int64_t kRacyWindow =
      50'000'000;  // ns; several times the kernel's timestamp granularity

 private:
  struct Record {
    FileStatus status;
    FileContent content;
  };
  fs::path file_;
  std::unordered_map<std::string, Record> records_;
  bool changed_ = false;
};

}  // namespace bottle::image
