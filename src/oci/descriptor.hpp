// SPDX-License-Identifier: Apache-2.0
// Descriptors, manifests, indexes and configurations of images: the JSON documents of an image, checked.
// Source: OCI image-spec 1.1 descriptor.md, manifest.md, image-index.md, config.md with their JSON schemas;
// Docker "Image Manifest Version 2, Schema 2", which differs in the names of media types only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "oci/platform.hpp"
#include "util/digest.hpp"

namespace bottle {
class JsonView;
}

namespace bottle::oci {

inline constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kLayerType = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kLayerGzipType = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kLayerZstdType = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kRefNameAnnotation = "org.opencontainers.image.ref.name";

// What registries accept at most for a manifest or index, and far more than a configuration needs.
inline constexpr std::uint64_t kMaximumManifest = 4u << 20;
inline constexpr std::uint64_t kMaximumConfig = 16u << 20;

// The OCI name of a Docker media type; other media types as they are. Parameters are kept off.
std::string oci_media_type(std::string_view media_type);
bool is_index_type(std::string_view media_type);
bool is_manifest_type(std::string_view media_type);
bool is_layer_type(std::string_view media_type);  // plain, gzip or zstd; also the non-distributable ones

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::optional<Platform> platform;
  std::string artifact_type;
  std::map<std::string, std::string> annotations;
  // In an index only: a digest of an algorithm other than SHA-256, and `digest` is empty.
  std::string unsupported_digest{};
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;
};

struct ConfigFacts {
  // As the configuration says; without that, this machine's operating system and "" for the architecture.
  Platform platform;
  std::vector<Digest> diff_ids;
};

// `name` is the place in errors, with the JSON pointer. A member of the wrong type is an Error; one that is
// null is as if it were absent, as for Go's encoding/json. Digests other than SHA-256 are refused as
// unsupported.
Descriptor parse_descriptor(const JsonView& json);
// The JSON of a manifest or index, decoded as by Go (go_json.hpp), types not checked.
nlohmann::json read_document(std::string_view text, const std::string& name);
// An entry of an index that is not for us must not hide one that is: it may be null, without media type,
// digest and size, and its digest of any algorithm. See require_digest().
std::vector<Descriptor> parse_index(std::string_view text, const std::string& name);
// The descriptor, whose digest is one that can be checked; an Error otherwise.
const Descriptor& require_digest(const Descriptor& descriptor, const std::string& where);
// Accepts an absent, empty or null list of layers, which BuildKit writes for `FROM scratch` alone and the
// schema forbids.
Manifest parse_manifest(std::string_view text, const std::string& name);
// Checks the types of all members that the specification defines (config_members.hpp); unknown ones are left
// alone.
ConfigFacts parse_config(std::string_view text, const std::string& name);
// The file oci-layout; the version must be 1.x.
void check_layout_file(std::string_view text, const std::string& name);

nlohmann::ordered_json to_json(const Descriptor& descriptor);

}  // namespace bottle::oci
