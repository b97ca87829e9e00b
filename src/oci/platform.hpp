// SPDX-License-Identifier: Apache-2.0
// The platform that an image is for: as the OCI image-spec has it (image-index.md, "platform"), with the
// names of GOOS and GOARCH; and which platforms run on which. Every choice between images for several
// platforms in this project is made by match_rank().
// Source: containerd/platforms (Normalize, Only), by which Docker, BuildKit and containerd choose.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace bottle::oci {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  std::string os_version;  // as a Dockerfile asks for it; that of an index is not read

  std::string string() const;               // "linux/arm64/v8"
  std::string string_with_version() const;  // "windows(10.0.17763)/amd64"
  bool operator==(const Platform&) const = default;
};

// With aliases and defaults folded: x86_64 is amd64, aarch64 is arm64, amd64/v1 is amd64, arm64/v8 is arm64,
// arm is arm/v7, no operating system is this machine's. Letters become lower case.
Platform normalized(Platform platform);

// Whether an image for `offered` runs on `wanted`, and how well: 0 is the same platform, larger numbers are
// fall-backs, nullopt is not at all. Both are normalized first; versions are not compared.
//
//   wanted         offered, best first
//   amd64/v3       amd64/v3, amd64/v2, amd64, 386
//   arm/v7         arm/v7, arm/v6, arm/v5
//   arm64/v9.1     arm64/v9.1, v9, v8.6, v8.5 ... v8.1, arm64, arm/v8, v7, v6, v5
std::optional<std::size_t> match_rank(const Platform& offered, const Platform& wanted);

// What BuildKit gives the manifests of attestations as a platform.
bool is_unknown(const Platform& platform);

// Of the machine this program was compiled for.
Platform host_platform();

}  // namespace bottle::oci
