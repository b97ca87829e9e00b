// SPDX-License-Identifier: Apache-2.0
// Whether a pack is whole and says what smolvm can use.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pack/findings.hpp"
#include "pack/pack_file.hpp"
#include "pack/pack_tar.hpp"

namespace bottle::pack {

// Of a pack with Manifest::checkpoint.
inline constexpr const char* kCheckpointWarning =
    "the pack is a checkpoint of a machine, of which only the container is read";

struct MemberReport {
  std::string path;
  std::string type;
  std::uint64_t size = 0;
  bool is_archive = false;
  std::uint64_t entries = 0;  // of an archive
};

struct VerifyReport {
  std::vector<MemberReport> members;
  std::uint64_t entries = 0;  // of the layers
  Findings findings;
};

// Reads the whole pack with constant memory (but a few bytes an entry). Damage, and what makes smolvm refuse
// the pack, is an Error naming the offset; what it survives is a finding.
VerifyReport verify_pack(const OpenPack& pack);

// The file's bytes against the footer's CRC-32: reads the file once, without decompressing. An Error if they
// differ. For callers that are about to publish the content.
void check_checksum(const OpenPack& pack);

// What the members of the outer tar are.
bool is_layer_member(const std::string& path);  // layers/<stem>.tar
std::string layer_stem(const std::string& path);

// Goes through the outer tar: `visit` may read the member's content. Members with unsafe names are an Error.
void walk_members(
    const OpenPack& pack,
    const std::function<void(const std::string& path, const TarItem& item, PackTar& tar)>& visit);

}  // namespace bottle::pack
