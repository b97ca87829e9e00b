// SPDX-License-Identifier: Apache-2.0
// Where things are inside a store's directory, for the files of this room only. The format is described in
// docs/formats/store.md.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "util/digest.hpp"
#include "util/file.hpp"

namespace bottle::store {

inline constexpr int kSchema = 1;
// An action of a pack with 100,000 outputs would still be smaller.
inline constexpr std::uint64_t kActionLimit = 64u << 20;
// Times of use are rewritten when they are older than this: an exact order of use within a day is not worth a
// write a lookup.
inline constexpr std::time_t kUseResolution = std::time_t{24} * 60 * 60;

class Layout {
 public:
  explicit Layout(fs::path root) : root_(std::move(root)) {}
  const fs::path& root() const { return root_; }

  fs::path blobs() const { return root_ / "blobs" / "sha256"; }
  fs::path actions() const { return root_ / "actions"; }
  fs::path tombstones() const { return root_ / "tombstones"; }
  fs::path roots() const { return root_ / "roots"; }
  fs::path temporaries() const { return root_ / "tmp"; }
  fs::path lock() const { return root_ / "lock"; }

  fs::path blob(const Digest& digest) const { return fanned("/blobs/sha256/", digest); }
  fs::path action(const Digest& key) const { return fanned("/actions/", key); }
  // Of a blob or of an action: a digest of content and a key never meet.
  fs::path tombstone(const Digest& id) const { return fanned("/tombstones/", id); }

 private:
  fs::path fanned(std::string_view folder, const Digest& id) const;
  fs::path root_;
};

// Calls visit(id, path) for every well-named file below a fanned-out folder, in order of id;
// visit_other(path) for everything else found there. A folder that does not exist is empty.
void for_each_file(const fs::path& folder, const std::function<void(const Digest&, const fs::path&)>& visit,
                   const std::function<void(const fs::path&)>& visit_other = {});

// rename(2), making the parent directory of `to` when it is missing. The error is rename's.
[[nodiscard]] std::error_code publish(const fs::path& from, const fs::path& to);

// The text of a tombstone for something damaged, and its reading: nullopt when `text` is not one (then it is
// the action file of an evicted action).
std::string damaged_tombstone(std::string_view reason);
std::optional<std::string> parse_damaged_tombstone(std::string_view text);

// "2026-01-31 12:00:00 UTC"
std::string utc_time(std::time_t when);

}  // namespace bottle::store
