// SPDX-License-Identifier: Apache-2.0
// One entry of a layer: the unit that layer indexes, tar files, merged trees and packs share.
// Source: OCI image-spec 1.1, layer.md "Change Types" and "Whiteouts".
#pragma once

#include <cstdint>
#include <string>

#include "oci/xattrs.hpp"
#include "util/digest.hpp"
#include "util/shared_text.hpp"

namespace bottle::oci {

enum class EntryType : std::uint8_t {
  file,
  directory,
  symlink,
  hardlink,  // `link` is the path of the other name inside the image, written like `path`
  char_device,
  block_device,
  fifo,
  whiteout,  // `path` of a lower layer is deleted (".wh.<name>" in a tar)
  opaque,    // all that lower layers have below the directory `path` is deleted (".wh..wh..opq" in a tar)
};

// Where a file's bytes are. A root is a name in the table of the index or tree that holds the entry:
// "context", "context:<name>" (and "<scope>/context..." for what came with another bottle) is a directory and
// `path` a path below it; "blob:sha256:<hex>" is a blob of uncompressed bytes and `offset` a position in it.
struct Place {
  static constexpr std::uint32_t kNone = UINT32_MAX;  // no bytes: an empty file or not a file

  std::uint32_t root = kNone;
  std::uint64_t offset = 0;
  SharedText path;  // of the copies of an entry the same bytes
  bool operator==(const Place&) const = default;
};

struct Entry {
  // Relative to the image's root, components separated by single '/', no "." or "..", no leading or trailing
  // '/'; "" is the root directory itself. Bytes, not necessarily UTF-8; never NUL.
  std::string path;
  EntryType type = EntryType::file;
  std::uint16_t mode = 0;  // permission bits with setuid, setgid, sticky: 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime = 0;  // seconds since the epoch
  std::uint64_t size = 0;  // of a file's content, in bytes
  Digest digest;    // SHA-256 of a file's content (of nothing for an empty file); empty for other types
  SharedText link;  // symlink: target, verbatim; hardlink: see EntryType
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  Xattrs xattrs;
  Place place;
};

// The last component, and all before it ("" for a top-level path).
std::string_view base_name(std::string_view path);
std::string_view parent_path(std::string_view path);

// Limits of Linux (PATH_MAX without its NUL, NAME_MAX): an image beyond them could not be unpacked anywhere,
// and they bound the depth of trees built from hostile archives.
inline constexpr std::size_t kMaximumPath = 4095;
inline constexpr std::size_t kMaximumName = 255;

// Whether the text is written as Entry::path asks. The root directory's "" is.
bool is_entry_path(std::string_view text);
// Why a path that normalize_path() returned cannot be an entry's path (too long, NUL), or null if it can.
const char* path_defect(std::string_view path);
// The path as seen from the image's root: absolute and relative are the same, "." and empty components go,
// ".." takes back one component and never leaves the root.
std::string normalize_path(std::string_view text);

}  // namespace bottle::oci
