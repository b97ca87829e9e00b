// SPDX-License-Identifier: Apache-2.0
// Reading a layer blob once: its compressed bytes are checked against the descriptor, the uncompressed ones
// handed on, and the layer index made on the way. Constant memory beside the index.
// Source: OCI image-spec 1.1, descriptor.md "Verification", config.md "Layer DiffID".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "oci/inflation_bound.hpp"
#include "oci/layer_index.hpp"
#include "oci/stream.hpp"
#include "util/digest.hpp"

namespace bottle::oci {

// Puts what `produce` gives to its sink where "blob:<digest>" finds it, and returns the digest. For contents
// that are not in the layer's tar in one piece.
using KeepContent = std::function<Digest(const std::function<void(const Sink&)>& produce)>;

struct LayerImportOptions {
  // What the blob must be. A legacy `docker save` archive gives only the diff ID of its layers.
  std::optional<Digest> digest;
  std::optional<std::uint64_t> size;
  std::optional<Digest> diff_id;
  // Of the tar, and of its files with the holes of sparse ones.
  std::uint64_t maximum_uncompressed = kMaximumLayer;
  // Above `ratio_from` bytes a layer may be no more than `maximum_ratio` times its blob; 0 means no bound.
  std::uint64_t maximum_ratio = kMaximumRatio;
  std::uint64_t ratio_from = kRatioFrom;
  KeepContent keep = {};  // for sparse files, which are an Error without it
};

struct ImportedLayer {
  // Every file of more than 0 bytes has its place in the first root, "blob:<diff ID>", or, if it is sparse,
  // in a separate root.
  LayerIndex index;
  Digest diff_id;                       // of the uncompressed tar
  std::uint64_t uncompressed_size = 0;  // in bytes
  Digest digest;                        // of the blob as it came
  std::uint64_t size = 0;
};

// `blob` gives the layer's bytes (plain, gzip or zstd; bzip2 and xz too, as Docker accepts them); `name` is
// for messages. `uncompressed` gets the tar's bytes as they come, before anything about them is known to be
// right: what it makes may be used only after this returned. A wrong size or digest is an Error that names
// expected and found values; it takes precedence over what the damage did to the tar inside.
ImportedLayer import_layer(const Source& blob, const std::string& name, const LayerImportOptions& options,
                           const Sink& uncompressed);

}  // namespace bottle::oci
