// SPDX-License-Identifier: Apache-2.0
// Writing an OCI image layout directory that is there whole or not at all.
// Source: OCI image-spec 1.1 image-layout.md, manifest.md, image-index.md.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/descriptor.hpp"
#include "oci/image_source.hpp"
#include "oci/stream.hpp"
#include "util/digest.hpp"
#include "util/file.hpp"
#include "util/staged_directory.hpp"

namespace bottle::oci {

struct WrittenLayer {
  Descriptor descriptor;
  Digest diff_id;
};

// The JSON text of an image manifest.
std::string image_manifest(const Descriptor& config, const std::vector<Descriptor>& layers,
                           const std::map<std::string, std::string>& annotations = {});

// Everything is written below a temporary directory beside the target (".<name>.<pid>.tmp"), which takes the
// target's name in commit(). An existing layout is replaced as a whole; a directory that is neither empty nor
// a layout is an Error. The destructor removes what was not committed; what a killed process left is removed
// by the next writer for the same target.
class LayoutWriter {
 public:
  explicit LayoutWriter(const fs::path& target);
  ~LayoutWriter();
  LayoutWriter(LayoutWriter&&) = delete;

  // A small document: a configuration, a manifest.
  Descriptor write_blob(std::string_view media_type, std::string_view bytes);
  // A blob as it is, verified against the descriptor while it is copied. Docker's media types become OCI's.
  Descriptor copy_blob(const FileRange& blob, const Descriptor& expected);
  // The same for a file that is known to be what the descriptor says, and that no process writes to: linked
  // if it can be. Its media type stays.
  void link_blob(const fs::path& file, const Descriptor& blob);
  // A layer that `produce` writes as an uncompressed tar: hashed on the way, so digest and diff ID are one.
  WrittenLayer write_layer(const std::function<void(const Sink&)>& produce);
  // The image manifest over a configuration and layers written before.
  Descriptor write_manifest(const Descriptor& config, const std::vector<Descriptor>& layers,
                            const std::map<std::string, std::string>& annotations = {});
  // index.json with one image (`ref_name` annotated if not empty), then the rename.
  void commit(Descriptor manifest, const std::optional<Platform>& platform, const std::string& ref_name);

 private:
  fs::path blob_path(const Digest& digest) const;
  Digest store_blob(const std::function<void(const Sink&)>& produce, std::uint64_t& size);

  fs::path target_;
  std::optional<StagedDirectory> staging_;
  fs::path temporary_;  // in it
  int blobs_ = 0;
};

}  // namespace bottle::oci
