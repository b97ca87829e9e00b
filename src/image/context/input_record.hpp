// SPDX-License-Identifier: Apache-2.0
// What the inputs of a fingerprint looked like, for BOTTLE_SCAN=always: one process compares the records of
// all bottles of a project with lstat in each build, where depfiles let the build tool compare times alone.
//
// `inputs.record` in a bottle's build directory, in the machine's byte order: the magic line; 64 bits each
// the number of paths and the length of the text; for each path, sorted, 64 bits each of device, inode, size,
// mtime and ctime (ns since 1970), 32 bits each of the mode (0: absent) and the length of the path; the
// text: SOURCE_DATE_EPOCH as the environment has it, a newline, the paths. A record that is damaged differs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "image/context/depfile.hpp"
#include "image/context/stat_cache.hpp"
#include "util/file.hpp"

namespace bottle::image::context {

struct RecordedInput {
  FileStatus status;
  std::uint32_t mode = 0;
  std::uint32_t path_size = 0;
  bool operator==(const RecordedInput&) const = default;
};

class InputRecord {
 public:
  // Looks at all paths. What changed after `begin` (ns since 1970), or so shortly before that a change after
  // it may have the same times, is not settled: it is recorded as absent, so that the next scan finds it.
  InputRecord(const std::vector<Dependency>& dependencies, std::int64_t begin);
  bool is_settled() const { return is_settled_; }
  void write(const fs::path& directory) const;

  // The first path found that is not as the record in `directory` says; "" if there is no record, or
  // another SOURCE_DATE_EPOCH; nullopt if all is as it was.
  static std::optional<std::string> find_change(const fs::path& directory);

 private:
  std::vector<RecordedInput> inputs_;
  std::string text_;
  bool is_settled_ = true;
};

// Compares the records in each of the directories that `list` (a JSON array of paths) names, and touches
// `inputs.stamp` in those in which something differs or which have no stamp. Returns how many it touched.
std::size_t scan_inputs(const fs::path& list);

}  // namespace bottle::image::context
