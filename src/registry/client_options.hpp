// SPDX-License-Identifier: Apache-2.0
// How a client connects to registries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "registry/http_types.hpp"
#include "util/file.hpp"
#include "util/progress.hpp"

namespace bottle::registry {

struct ClientOptions {
  bool plain_http = false;  // for every registry; loopback is plain anyway
  bool tls = false;         // for every registry, also loopback
  // Docker's config.json or another file of its form. Empty: where Podman, Skopeo and Docker look
  // (registry/auth_files.hpp).
  fs::path auth_file;
  HttpOptions http;                    // certificate_directories empty: those of Docker and containers
  std::uint64_t chunk_size = 0;        // blobs are uploaded in chunks of so many bytes; 0: in one piece
  std::size_t threads = 4;             // blobs at once, where a function moves several
  std::shared_ptr<Progress> progress;  // of blobs that come or go; nullptr: is not told
};

}  // namespace bottle::registry
