// Platforms as FROM --platform and the TARGET... arguments write them: os[(version)]/architecture[/variant]
// (OCI image-spec, image-index.md "platform"; the spellings that are folded are those of
// containerd/platforms).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bottle::dockerfile {

struct Platform {
  std::string os = "linux";
  std::string architecture = "amd64";
  std::string variant = {};
  std::string os_version = {};

  bool operator==(const Platform&) const = default;
  std::string string() const;               // "linux/arm/v7"
  std::string string_with_version() const;  // "windows(10.0.17763)/amd64"
};

// One word alone is an operating system or an architecture; the other part is the host's. nullopt if it is
// neither or a part has unusual characters.
std::optional<Platform> parse_platform(std::string_view text);
// With aliases folded (x86_64 is amd64, aarch64 is arm64, arm without variant is v7, ...).
Platform normalized(Platform platform);
// Of the machine this program was compiled for.
Platform host_platform();

}  // namespace bottle::dockerfile
