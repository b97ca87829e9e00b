// SPDX-License-Identifier: Apache-2.0
// Packs as artifacts of registries, as smolvm's own `pack push`, `pack pull` and `pack inspect` have them.
//
//   <tag>               an index with one manifest a guest platform
//   <tag>-<os>-<arch>   the manifest of one platform
//   manifest            config: the pack's manifest, rewritten; one layer: the whole sidecar file
// All documents are JSON with two blanks of indentation.
#pragma once

#include <optional>
#include <string>

#include "pack/manifest.hpp"
#include "registry/push.hpp"
#include "store/store.hpp"

namespace bottle::pack {

inline constexpr std::string_view kPackConfigType = "application/vnd.smolmachines.machine.config.v1+json";
inline constexpr std::string_view kPackLayerType = "application/vnd.smolmachines.smolmachine.v1";
inline constexpr const char* kPackModeAnnotation = "com.smolmachines.pack.mode";
inline constexpr const char* kTitleAnnotation = "org.opencontainers.image.title";

struct PackArtifact {
  registry::PushSource source;
  registry::PushOptions options;  // for the index and the platform's own tag
};

// The pack to be pushed as `reference`, which has a tag. Reads the file once, for its digest; the store
// remembers that as long as the file's inode, size and times stay.
PackArtifact pack_artifact(const fs::path& pack, const oci::Reference& reference, const store::Store& store);

// "linux/amd64" also from "linux/x86_64"; an Error for what pull would never choose.
oci::Platform guest_platform(const std::string& platform, const std::string& where);

struct RemotePack {
  oci::Reference reference;  // with the digest of the platform's manifest
  registry::FetchedManifest manifest;
  oci::Descriptor config;
  oci::Descriptor layer;
};
// What the reference has for a guest platform (nullopt: linux on this machine's processor); an Error when
// that is not a pack. nullopt from find_pack: the reference names something else.
RemotePack get_pack(const registry::Client& client, const oci::Reference& reference,
                    const std::optional<oci::Platform>& platform);
std::optional<RemotePack> find_pack(const registry::FetchedManifest& manifest,
                                    const oci::Reference& reference);

// The pack's own manifest, from the configuration.
Manifest read_pack_config(const registry::Client& client, const RemotePack& pack);

// Through the store to `target`, verified, whole or not at all.
void pull_pack(const registry::Client& client, const RemotePack& pack, const store::Store& store,
               const fs::path& target);

}  // namespace bottle::pack
