// SPDX-License-Identifier: Apache-2.0
// Headers of the outer tar of a pack: GNU format, bare names, owner and time 0. (Its members are few and
// ours; entries of the images inside use oci/tar_writer.hpp.)
#pragma once

#include <cstdint>
#include <string>

namespace bottle::pack {

// One header block; the name is at most 99 bytes.
std::string outer_file_header(const std::string& name, std::uint64_t size);  // mode 0644
std::string outer_directory_header(const std::string& name);                 // mode 0755

}  // namespace bottle::pack
