// The platform that an image is for: as the OCI image-spec has it (image-index.md, "platform"), with the
// names of GOOS and GOARCH.
#pragma once

#include <string>

namespace bottle::oci {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  std::string os_version;  // as a Dockerfile asks for it; that of an index is not read

  std::string string() const;               // "linux/arm64/v8"
  std::string string_with_version() const;  // "windows(10.0.17763)/amd64"
  // Whether an image for `this` serves who asks for `wanted`: without a wanted variant any is right, and
  // arm64's "v8" and amd64's "v1" are what no variant means there. Versions are not compared.
  bool serves(const Platform& wanted) const;
  bool operator==(const Platform&) const = default;
};

// Of the machine this program was compiled for.
Platform host_platform();

}  // namespace bottle::oci
