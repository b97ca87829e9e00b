// SPDX-License-Identifier: Apache-2.0
// Pulling images and other artifacts into the store, and from there into an image layout.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "registry/client.hpp"

namespace bottle::registry {

struct PullOptions {
  std::optional<oci::Platform> platform;  // of an index; nullopt: host_platform()
  bool all_platforms = false;             // an index with all that it names
};

struct PullReport {
  oci::Reference reference;
  std::vector<FetchedManifest> manifests;  // the last is what was asked for, or its part for the platform
  std::vector<oci::Descriptor> blobs;      // each once
  std::optional<oci::Platform> platform;   // that was chosen
  std::size_t blobs_fetched = 0;
  std::uint64_t bytes_fetched = 0;
  std::uint64_t milliseconds = 0;

  const FetchedManifest& root() const { return manifests.back(); }
  nlohmann::ordered_json json() const;
};

// All of it is in the store when this returns, as the outputs of an action.
PullReport pull(const Client& client, const oci::Reference& reference, const store::Store& store,
                const PullOptions& options = {});

// Replaces the layout at `target` as a whole. `ref_name` is the name in index.json.
void write_layout(const PullReport& pulled, const store::Store& store, const fs::path& target,
                  const std::string& ref_name);

}  // namespace bottle::registry
