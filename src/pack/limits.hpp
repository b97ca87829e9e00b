// SPDX-License-Identifier: Apache-2.0
// What smolvm's readers accept. Source: the `.smolmachine` format as of smolvm 1.9
// (docs/formats/smolmachine.md).
#pragma once

#include <cstdint>

namespace bottle::pack {

constexpr std::uint64_t kMaximumManifestSize = 16u << 20;     // bytes of manifest JSON
constexpr std::uint64_t kMaximumEntries = 2'000'000;          // entries of one archive
constexpr std::uint64_t kMaximumArchiveBytes = 128ull << 30;  // sum of the sizes in one archive's headers
constexpr int kMaximumWindowLog = 27;                         // of a zstd frame
// Zero bytes after the end marker of an archive: tar programs pad to their record size, which is far less.
constexpr std::uint64_t kMaximumArchivePadding = 1u << 20;

constexpr std::uint64_t kMinimumMemoryMib = 64;
constexpr std::size_t kMaximumCanonicalImage = 512;     // bytes of the canonical image reference, any command
constexpr std::size_t kMaximumCanonicalImageRun = 100;  // the same, for `smolvm pack run`
constexpr std::size_t kMaximumEnvKey = 256;
constexpr std::size_t kMaximumEnvValue = 32u << 10;

constexpr const char* kAgentMember = "agent-rootfs.tar";
constexpr const char* kLayerDirectory = "layers";

}  // namespace bottle::pack
