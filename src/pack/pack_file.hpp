// SPDX-License-Identifier: Apache-2.0
// A pack opened for reading: a sidecar (`.smolmachine`) or a single-file executable with a pack at its end.
#pragma once

#include <cstdint>
#include <string>

#include "oci/stream.hpp"
#include "pack/footer.hpp"
#include "pack/manifest.hpp"
#include "util/file.hpp"

namespace bottle::pack {

struct OpenPack {
  std::string name;  // for errors: the path
  Fd file;
  std::uint64_t size = 0;
  Footer footer;
  std::string manifest_text;
  Manifest manifest;

  // The outer tar, decompressed as it is read. A frame that is corrupt, truncated, or needs more memory than
  // smolvm's reader allows is an Error naming the offset in the file. The pack must outlive the source.
  oci::Source assets() const;
  // CRC-32 of what the footer's checksum covers.
  std::uint32_t checksum() const;
};

// Checks footer, bounds and manifest, in the order in which smolvm's reader does.
OpenPack open_pack(const fs::path& path);

}  // namespace bottle::pack
