// SPDX-License-Identifier: Apache-2.0
// Versions of smolvm: the one that a pack is meant for, the one of the agent in it, and what each can do.
// Source: smolvm's public releases and pull requests (docs/formats/smolmachine.md, "Versions of smolvm").
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bottle::pack {

// A semantic version. Build metadata ("+...") is dropped, as smolvm's parser does; a prerelease is older than
// its release.
struct SmolvmVersion {
  std::array<std::uint32_t, 3> numbers{};
  std::string prerelease = {};  // without '-'

  // "1.16.2", "v1.16.2", "1.16.2-rc1", "1.16.2+bottle.0.1.0"; nullopt for other text.
  static std::optional<SmolvmVersion> parse(std::string_view text);
  std::string string() const;

  bool operator==(const SmolvmVersion&) const = default;
  std::strong_ordering operator<=>(const SmolvmVersion& other) const;
};

// The oldest one that packs are made for: older ones cannot unpack a layer in the guest.
inline const SmolvmVersion kOldestSmolvm{{1, 8, 1}};
// The newest one that is known, and the default.
inline const SmolvmVersion kCurrentSmolvm{{1, 29, 0}};

// From these versions on:
inline const SmolvmVersion kReadsPackVersion{{1, 13, 1}};   // parses a manifest's smolvm_version
inline const SmolvmVersion kRootKeepsOwners{{1, 14, 0}};    // run as root, keeps owners and set-id bits
inline const SmolvmVersion kHonoursUser{{1, 14, 5}};        // runs the workload as the manifest's user
inline const SmolvmVersion kUnpacksWithOwners{{1, 16, 2}};  // unpacks on the host, owners in attributes

// The value of BOTTLE_SMOLVM_VERSION and --smolvm-version: "1.16.2", "1.16", "current" or "" for the newest.
// Throws for other text, and for a version below kOldestSmolvm.
SmolvmVersion parse_smolvm_setting(const std::string& text);

// The manifest's smolvm_version for a pack without an agent: what a smolvm compares to decide how to unpack,
// with the name of this program as build metadata. No version above kUnpacksWithOwners changes that.
std::string pack_version(const SmolvmVersion& meant_for);
// The same for a pack with an agent whose version could not be found out: older than any.
std::string unknown_pack_version();

}  // namespace bottle::pack
