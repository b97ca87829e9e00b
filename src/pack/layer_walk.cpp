// SPDX-License-Identifier: Apache-2.0
#include "pack/layer_walk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "pack/archive_check.hpp"
#include "pack/verify.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"

namespace bottle::pack {
namespace {

// In the manifest's order; without any there, all of the pack in order of their names, as the guest does.
std::vector<std::string> layer_order(const OpenPack& pack) {
  std::vector<std::string> paths;
  for (const LayerAsset& layer : pack.manifest.layers)
    paths.push_back(layer.path);
  if (!paths.empty()) return paths;
  walk_members(pack, [&](const std::string& path, const TarItem&, PackTar&) {
    if (is_layer_member(path)) paths.push_back(path);
  });
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

void walk_layers(
    const OpenPack& pack, const std::function<void(const std::string& layer)>& begin,
    const std::function<void(const std::string& path, const TarItem& item, PackTar& tar)>& visit) {
  std::unique_ptr<PackTar> outer;
  for (const std::string& layer : layer_order(pack)) {
    bool found = false;
    // Continuing at the end of the last layer usually finds it; else the search starts again.
    for (int attempt = outer ? 0 : 1; attempt < 2 && !found; ++attempt) {
      if (attempt == 1) outer = std::make_unique<PackTar>(pack.assets(), pack.name + ": assets");
      while (const auto item = outer->next()) {
        if (member_path(*outer, *item) != layer) continue;
        if (item->type != TarType::file)
          outer->fail(item->offset,
                      fmt::format("\"{}\" is a {}: expected a file", layer, type_name(item->type)));
        found = true;
        break;
      }
    }
    if (!found)
      throw Error(fmt::format("the manifest lists the layer {}, but the assets do not hold it", layer),
                  {.where = pack.name});
    begin(layer);
    PackTar tar(outer->content(), fmt::format("{}: {}", pack.name, layer));
    ArchiveCheck check(layer);
    while (const auto item = tar.next()) {
      check_interrupted();
      visit(check.check(tar, *item), *item, tar);
    }
  }
  // What follows the last layer is read as well, so that damage there does not go unnoticed.
  while (outer && outer->next())
    check_interrupted();
}

}  // namespace bottle::pack
