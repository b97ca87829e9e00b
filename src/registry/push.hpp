// SPDX-License-Identifier: Apache-2.0
// Pushing images and other artifacts: first what is missing is found out, then only that is moved; manifests
// after what they name, tags last.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "registry/client.hpp"

namespace bottle::registry {

struct ManifestToPush {
  oci::Descriptor descriptor;
  std::string bytes;
  std::vector<Digest> blobs;  // that it names
};

struct BlobToPush {
  oci::Descriptor descriptor;
  BlobContent content;
  // The repositories of a registry that are known to have it; empty: none are.
  std::function<std::vector<std::string>(const std::string& registry)> sources;
};

struct PushSource {
  std::vector<ManifestToPush>
      manifests;                  // what is named before what names it; the last is what the tag is for
  std::vector<BlobToPush> blobs;  // each digest once
  std::string mount_from;         // a repository of the same registry that may have them
  std::string base_name;          // annotation org.opencontainers.image.base.name of the manifest

  const ManifestToPush& root() const { return manifests.back(); }
  void add_blob(const oci::Descriptor& descriptor, BlobContent content,
                std::function<std::vector<std::string>(const std::string& registry)> sources = {});
};

struct PushOptions {
  std::string mount_from;  // tried before what is known of a blob
  // The tag must be an index that has the manifest beside those for other platforms.
  bool into_index = false;
  oci::Platform platform;  // of the manifest, for the index
  int index_indent = -1;   // -1: without line breaks
  // Of the manifest by itself, put before the index.
  std::string also_tag;
};

struct PushedManifest {
  oci::Descriptor descriptor;
  bool uploaded = false;
};

struct PushReport {
  oci::Reference reference;
  oci::Descriptor root;
  bool unchanged = false;  // the reference named it already: nothing was moved
  std::vector<PushedManifest> manifests;
  std::vector<PushedBlob> blobs;
  std::optional<Digest> index;  // what the tag names, with into_index
  unsigned index_attempts = 0;
  std::uint64_t bytes_sent = 0;  // of blobs
  std::uint64_t milliseconds = 0;

  nlohmann::ordered_json json() const;  // push.json
};

PushReport push(const Client& client, const PushSource& source, const oci::Reference& reference,
                const PushOptions& options = {});

// Sets the tag to an index by read, merge, compare and retry, until the index at the tag has what `merge`
// adds. `merge` gets what is there (nullopt: nothing) and returns the new text, or nullopt when there is
// nothing to change. Also where a registry does not honour If-Match, of several at the same time none is
// lost.
struct IndexUpdate {
  Digest digest;
  bool changed = false;
  unsigned attempts = 0;
};
using MergeIndex = std::function<std::optional<std::string>(const std::optional<FetchedManifest>& current)>;
IndexUpdate update_index(const Client& client, const oci::Reference& tag, const MergeIndex& merge);

// The text of `current` (if it is an index; nullopt: none) with `entry` in place of that for the same
// platform, or of the same digest where it has none. nullopt: it is there as it is.
std::optional<std::string> merged_index(const std::optional<std::string>& current,
                                        const oci::Descriptor& entry, int indent);

}  // namespace bottle::registry
