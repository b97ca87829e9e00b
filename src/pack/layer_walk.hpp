// SPDX-License-Identifier: Apache-2.0
// The layers of a pack, bottom first, whatever their order in the file.
#pragma once

#include <functional>
#include <string>

#include "pack/pack_file.hpp"
#include "pack/pack_tar.hpp"

namespace bottle::pack {

// Calls `begin` with a layer's name before its members, then `visit` for every member, which may read the
// content. Names are checked as verify_pack() does (unsafe, twice, through a link). A layer the manifest
// lists and the pack lacks is an Error. The pack is decompressed once if the layers lie in their order.
void walk_layers(
    const OpenPack& pack, const std::function<void(const std::string& layer)>& begin,
    const std::function<void(const std::string& path, const TarItem& item, PackTar& tar)>& visit);

}  // namespace bottle::pack
