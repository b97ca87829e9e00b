// SPDX-License-Identifier: Apache-2.0
// Two manifests compared by what they say of a machine.
#pragma once

#include <string>
#include <vector>

#include "pack/pack_file.hpp"

namespace bottle::pack {

struct ManifestDifference {
  std::string member;  // "cpus", "env NAME", "/assets/name" for one that only a newer smolvm knows
  std::string a;       // JSON; "" where it is absent
  std::string b;
};

// What a machine made from the pack would see: command, environment, user, resources, platform. `all` adds
// when, from what and by what the pack was made: created, digest, image_size, smolvm_version, host_platform.
// Of the assets it counts whether there is an agent, an overlay and a workspace; compare_trees() has the
// rest.
enum class Members { machine, all };
std::vector<ManifestDifference> compare_manifests(const OpenPack& a, const OpenPack& b, Members members);

}  // namespace bottle::pack
