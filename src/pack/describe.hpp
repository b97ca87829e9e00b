// SPDX-License-Identifier: Apache-2.0
// From an image's configuration and the pack's options to a manifest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pack/findings.hpp"
#include "pack/manifest.hpp"
#include "pack/smolvm_version.hpp"
#include "pack/zstd_frame.hpp"

namespace bottle::pack {

struct PackOptions {
  std::string image;  // name of the image, as a reference
  std::uint64_t cpus = 4;
  std::uint64_t memory_mib = 8192;
  bool network = false;
  std::vector<std::string> env;                        // KEY=VALUE, replacing the image's of the same key
  std::optional<std::vector<std::string>> entrypoint;  // instead of the image's; each by itself, as smolvm
  std::optional<std::vector<std::string>> cmd;
  std::optional<std::string> user;        // instead of the image's
  SmolvmVersion smolvm = kCurrentSmolvm;  // the one the pack is meant for
  std::int64_t epoch = 0;                 // seconds since 1970: the pack's time of creation
  int level = kDefaultLevel;

  // What `text` of the options goes into a key: (name, value) pairs.
  std::vector<std::pair<std::string, std::string>> key_values() const;
};

// Throws for options that no smolvm accepts (no CPU, too little memory, an impossible image name or user).
void check_options(const PackOptions& options);

// The manifest without assets and image_size, for a pack without an agent. `config` is an OCI image
// configuration, JSON.
Manifest describe_image(const std::string& config, const PackOptions& options, Findings& findings);

}  // namespace bottle::pack
