// SPDX-License-Identifier: Apache-2.0
// Unpacking a pack, or what was asked of it, into a directory, and never outside it.
#pragma once

#include <cstdint>
#include <string>

#include "pack/findings.hpp"
#include "pack/pack_file.hpp"
#include "util/file.hpp"

namespace bottle::pack {

enum class ExtractWhat {
  rootfs,  // the layers on top of each other: the tree that the machine sees
  raw,     // the members of the assets as they are
};
enum class Existing { refuse, overwrite };

struct ExtractReport {
  std::uint64_t entries = 0;
  std::uint64_t skipped = 0;  // device nodes, fifos
  Findings findings;
};

// Modes and times are restored; owners, setuid and setgid bits only where this process is root. A directory
// that exists and is not empty is refused unless Existing::overwrite. Without that, the directory appears
// when all of it is there: a failure leaves nothing. An archive that contradicts itself (a path twice, a path
// through a link) is an Error.
ExtractReport extract_pack(const OpenPack& pack, const fs::path& directory, ExtractWhat what,
                           Existing existing);

}  // namespace bottle::pack
