// SPDX-License-Identifier: Apache-2.0
// Images on their way into an engine: as the archive that `docker load` reads.
#pragma once

#include <optional>
#include <string>

#include "container/client.hpp"
#include "oci/image_source.hpp"
#include "oci/stream.hpp"
#include "store/store.hpp"

namespace bottle::container {

// Writes the image of a layout as a `docker save` archive with one name. The first `skipped` layers are left
// out: a daemon that has them does not look for them. Layers go as plain tars where the store has them, since
// not every daemon knows zstd. Source: Docker image specification 1.2.
void write_docker_archive(const oci::ImageSource& image, const std::string& name, std::size_t skipped,
                          const store::Store& store, const oci::Sink& sink);

struct LoadReport {
  std::string image_id;         // "sha256:..." of the configuration
  std::size_t layers = 0;       // of the image
  std::size_t transferred = 0;  // layers that were sent
};

// Makes the image of `layout` known to Docker or Podman as `name`: only the layers that it lacks travel,
// where the daemon says what it has and takes the rest.
LoadReport load_layout(const fs::path& layout, const std::optional<oci::Platform>& platform,
                       const std::string& name, const Client& client, const store::Store& store);

}  // namespace bottle::container
