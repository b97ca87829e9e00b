// SPDX-License-Identifier: Apache-2.0
// bottle.lock: what the names of outside sources stood for at the last bottle-lock update
// (docs/formats/lock.md).
//
//   {"schema": 1, "sources": {
//     "docker.io/library/debian:12": {"kind": "image", "tag": "12", "index"?: <manifest>,
//                                     "platforms": {"linux/amd64": <manifest>, ...}},
//     "https://host/file": {"kind": "url", "digest": "sha256:<64 hex>", "size": 5},
//     "https://host/repo.git#v1": {"kind": "git", "commit": "<40 or 64 hex>", "ref": "refs/tags/v1"}}}
//   <manifest> = {"digest": "sha256:<64 hex>", "mediaType": "...", "size": 528}
//
// Sorted, one fact a line, so that a difference between two of them can be read and merged.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "oci/descriptor.hpp"
#include "util/digest.hpp"
#include "util/file.hpp"

namespace bottle::image {
inline namespace model {

inline constexpr const char* kLockName = "bottle.lock";

struct LockedManifest {
  Digest digest;
  std::string media_type;
  std::uint64_t size = 0;  // in bytes
  bool operator==(const LockedManifest&) const = default;
};

struct LockedImage {
  std::string tag;                      // "" if the reference is a digest
  std::optional<LockedManifest> index;  // absent if the tag names one manifest, or came from a layout
  std::map<std::string, LockedManifest> platforms;  // "linux/arm64/v8" -> manifest
  bool operator==(const LockedImage&) const = default;

  // The manifest for a platform: exactly that, else the best oci::match_rank(). Null if there is none.
  const LockedManifest* find(const oci::Platform& wanted) const;
};

struct LockedUrl {
  Digest digest;
  std::uint64_t size = 0;
  bool operator==(const LockedUrl&) const = default;
};

struct LockedGit {
  std::string commit;  // 40 or 64 hexadecimal digits
  std::string ref;     // what it was found as: "refs/tags/v1", "refs/heads/main", "HEAD"
  bool operator==(const LockedGit&) const = default;
};

using LockedSource = std::variant<LockedImage, LockedUrl, LockedGit>;

const char* kind_of(const LockedSource& source);  // "image", "url", "git"
// The entry on one line: digest of the index or of each platform's manifest, of the content, or the commit.
std::string summary(const LockedSource& source);

struct Lock {
  std::map<std::string, LockedSource> sources;  // by canonical name, without credentials
  bool operator==(const Lock&) const = default;

  std::string serialize() const;
  // `name` is the place in errors, with the JSON pointer. Unknown members are errors that name the nearest
  // known one.
  static Lock parse(std::string_view text, const std::string& name);

  template <typename Type>
  const Type* find(const std::string& source) const {
    const auto found = sources.find(source);
    return found == sources.end() ? nullptr : std::get_if<Type>(&found->second);
  }
  // Puts an entry. Of an image without an index on both sides, which is resolved platform by platform, the
  // platforms are joined.
  void put(const std::string& source, LockedSource entry);
};

// An empty lock if there is no file.
Lock load_lock(const fs::path& file);

// Reads the file, lets `change` change what is there now, and writes it if that made a difference. No other
// change can come in between: every writer of a lock holds flock(2) on its directory. Returns whether it
// wrote.
bool change_lock(const fs::path& file, const std::function<void(Lock&)>& change);

}  // namespace model
}  // namespace bottle::image
