// SPDX-License-Identifier: Apache-2.0
// An image plan as what goes to a registry: compressed layers, configuration, manifest.
#pragma once

#include "image/model/plan.hpp"
#include "oci/compress.hpp"
#include "registry/push.hpp"

namespace bottle::image {

struct DistributeOptions {
  oci::Compression compression = oci::Compression::gzip;
  int level = 6;
  std::size_t threads = 1;
};

struct DistributeReport {
  registry::PushSource source;
  Digest image_id;  // of the configuration
  oci::Platform platform;
  std::size_t layers_compressed = 0;
  std::size_t layers_stored = 0;       // compressed before, found in the store
  std::size_t layers_as_they_are = 0;  // as they came from outside
};

// The image in the build directory `directory`. A layer that was made here is written as a tar and compressed
// once; the store keeps the result by the layer's identity, which decides the tar and its diff ID, by
// algorithm, level and the compressor's version. Layers from outside travel as they came, and are mounted
// where the store knows a repository of the registry that has them. Keep the store open while the source is
// in use.
DistributeReport distribute(const fs::path& directory, const store::Store& store,
                            const DistributeOptions& options);

}  // namespace bottle::image
