// SPDX-License-Identifier: Apache-2.0
// One repository: an OCI image layout directory. Blobs are its blobs; manifests are what its index.json
// lists, with the tag as the annotation org.opencontainers.image.ref.name, and what those list in turn.
// Source: OCI image-spec 1.1 image-layout.md; annotations.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "oci/content_digest.hpp"
#include "registry/server/manifest.hpp"
#include "util/file.hpp"

namespace bottle::registry {

struct ListedManifest {
  oci::ContentDigest digest;
  std::string media_type;
  std::uint64_t size = 0;
  std::string tag;  // "" for none
};

// index.json as it was when it was read.
struct LayoutIndex {
  std::vector<ListedManifest> manifests;
  std::map<std::string, std::size_t> tags;                 // in ASCII order; positions in `manifests`
  std::unordered_map<std::string, std::size_t> by_digest;  // the text of a digest; one of its positions
};

struct OpenBlob {
  Fd file;
  std::uint64_t size = 0;
};

// What a tag is about to become is checked against this, under the lock.
using TagCondition = std::function<bool(const std::string& tag, const oci::ContentDigest* current)>;

// May be used by several threads; other processes may change the directory at the same time, with an
// exclusive flock(2) on the directory around their changes of index.json.
class Layout {
 public:
  Layout(fs::path directory, Durable durable) : directory_(std::move(directory)), durable_(durable) {}

  const fs::path& directory() const { return directory_; }
  bool exists() const;  // it has an index.json
  void create() const;  // whatever is missing of an empty layout

  fs::path blob_path(const oci::ContentDigest& digest) const;
  std::optional<OpenBlob> open_blob(const oci::ContentDigest& digest) const;
  bool has_blob(const oci::ContentDigest& digest) const;
  bool remove_blob(const oci::ContentDigest& digest) const;
  // Gives the finished file its name. Replaces what has it.
  void publish_blob(const fs::path& file, const oci::ContentDigest& digest) const;
  // The same blob of another layout, sharing its bytes where the file system can. False if it is not there.
  bool mount_blob(const Layout& from, const oci::ContentDigest& digest) const;

  // Never null. Read again only when the file has changed.
  std::shared_ptr<const LayoutIndex> index() const;
  // Makes `file` the manifest's blob and lists it under each of the tags, or without one. False, and nothing
  // has changed, when `condition` (may be empty) says no to one of them.
  bool put_manifest(const ListedManifest& manifest, const fs::path& file,
                    const std::vector<std::string>& tags, const TagCondition& condition);
  // Its manifest stays, to be found by digest. False if there is no such tag.
  bool remove_tag(const std::string& tag);
  // With its tags and its blob. False if there is none.
  bool remove_manifest(const oci::ContentDigest& digest);

 private:
  struct File;
  std::shared_ptr<const LayoutIndex> read_index() const;
  // Calls change(descriptors) under the lock; true: they are written back.
  template <typename Change>
  bool update(Change change);

  fs::path directory_;
  Durable durable_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const LayoutIndex> index_;
  mutable std::shared_ptr<File> read_from_;  // kept open so that no other file gets its inode
};

}  // namespace bottle::registry
