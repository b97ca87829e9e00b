// SPDX-License-Identifier: Apache-2.0
// An image that comes from outside as files, its contents not read yet. oci/image_source.hpp opens them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oci/descriptor.hpp"
#include "oci/layer_import.hpp"
#include "oci/stream.hpp"
#include "util/file.hpp"

namespace bottle::oci {

// A part of an open file.
struct FileRange {
  std::shared_ptr<Fd> file;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::string name;  // for messages

  Source source() const;  // reads it from its beginning; keeps the file open
};

struct SourceLayer {
  std::string media_type;        // as the manifest says; by its first bytes in an old archive
  std::optional<Digest> digest;  // of the blob; an old archive does not say it
  std::uint64_t size = 0;        // of the blob
  Digest diff_id;
  FileRange blob;  // its size has been checked, its content not yet: use import()

  // Reads the layer once, checking size, digest and diff ID. `compressed` gets the blob's bytes as they are,
  // `uncompressed` the tar's; either may be empty. Both may be used only after this returned. `keep` is for
  // sparse files, see LayerImportOptions.
  ImportedLayer import(const Sink& uncompressed, const Sink& compressed = {},
                       const KeepContent& keep = {}) const;
};

struct ImageSource {
  // Of the image manifest; an old archive has none.
  std::optional<Descriptor> manifest;
  Digest config_digest;
  std::string config;  // JSON text, verified
  Platform platform;   // as the configuration says
  std::vector<SourceLayer> layers;

  // What identifies the image in a key: the manifest's digest, else the configuration's.
  const Digest& identity() const { return manifest ? manifest->digest : config_digest; }
};

struct ImageSelection {
  // The name of one image where there are several: "org.opencontainers.image.ref.name" (a tag or a whole
  // reference), a repository tag of a `docker save` archive, or "sha256:..." of a manifest.
  std::string reference;
  // nullopt is host_platform().
  std::optional<Platform> platform;
};

}  // namespace bottle::oci
