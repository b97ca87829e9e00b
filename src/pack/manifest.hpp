// SPDX-License-Identifier: Apache-2.0
// The manifest of a pack: JSON between the assets and the footer.
//
// Written with two blanks of indentation, members in the order below, optional ones left out when absent,
// text unescaped where JSON allows, no newline at the end: byte for byte what smolvm's own writer gives. Read
// as smolvm reads it: unknown members are ignored, except in a secret reference; a known member twice is an
// error; integers must be written as integers; null stands only for the optional members. What is ignored
// here is found by foreign_members().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/json.hpp"

namespace bottle::pack {

struct Asset {
  std::string path;
  std::uint64_t size = 0;  // bytes of the member, uncompressed; smolvm writes wrong ones at times
  bool operator==(const Asset&) const = default;
};

struct LayerAsset {
  std::string digest;
  std::string path;  // its stem gives the stacking order
  std::uint64_t size = 0;
  bool operator==(const LayerAsset&) const = default;
};

// Where a secret would come from. A pack with any can be made but not run.
struct SecretReference {
  std::optional<std::string> from_env;
  std::optional<std::string> from_file;
  bool operator==(const SecretReference&) const = default;
};

// A member that Manifest does not hold: one that a newer smolvm writes, or "checkpoint".
struct ForeignMember {
  std::string pointer;  // "/name", "/assets/name"; JSON pointers (RFC 6901)
  OrderedJson value;
  bool operator==(const ForeignMember&) const = default;
};

struct Manifest {
  enum class Mode { container, vm };

  Mode mode = Mode::container;
  std::string image;
  std::string digest;    // of the image configuration; for display
  std::string platform;  // of the guest: "linux/amd64"
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> env;  // KEY=VALUE
  std::map<std::string, SecretReference> secret_refs;
  std::optional<std::string> workdir;
  std::optional<std::string> user;  // who runs the command: "name", "id", "name:group", "id:id"
  std::uint8_t cpus = 0;
  std::uint32_t mem = 0;  // MiB
  std::uint64_t image_size = 0;
  bool network = false;
  bool gpu = false;
  bool cuda = false;
  std::string host_platform;
  std::string created;  // RFC 3339, UTC
  std::string smolvm_version;
  std::vector<Asset> libraries;
  Asset agent_rootfs;
  std::vector<LayerAsset> layers;  // bottom first
  std::optional<Asset> storage_template;
  std::optional<std::uint64_t> storage_logical_size;
  std::optional<Asset> overlay_template;
  std::optional<std::uint64_t> overlay_logical_size;
  std::optional<Asset> workspace_seed;  // of `smolvm pack create --include-workspace`
  bool checkpoint = false;              // a saved machine; what the member says is a foreign member

  bool operator==(const Manifest&) const = default;
  // Foreign members come after the others. An Error if a text is not UTF-8.
  std::string serialize(const std::vector<ForeignMember>& foreign = {}) const;
};

// Those of a manifest's text that parse_manifest() accepts, in its order; of the document and of its assets.
std::vector<ForeignMember> foreign_members(std::string_view text);

// `name` is the place in errors ("<name>#/assets/layers/0/size").
Manifest parse_manifest(std::string_view text, const std::string& name);

}  // namespace bottle::pack
