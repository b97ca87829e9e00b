// SPDX-License-Identifier: Apache-2.0
// The packer "smolvm": `smolvm pack create` over a registry that lives as long as it takes.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "image/model/plan.hpp"
#include "pack/pack_writer.hpp"
#include "store/store.hpp"

namespace bottle::pack {

struct SmolvmPackRequest {
  std::string slug;
  const image::LoadedPlan& plan;
  const PackOptions& options;
  std::string registry_image;       // "": the registry in this process
  std::optional<fs::path> runtime;  // the agent root filesystem that smolvm is to pack
  fs::path directory;               // where work may lie and what is left is written down: the output's
  std::function<void(const std::string&)> on_line;
};

// smolvm's assets as they are, and a manifest that says what the native packer's says: the image's own name
// in place of the registry's, and the options that smolvm's command line has no words for. The assets come
// into the store; `outputs` gets their pieces. What smolvm left is removed, however it ended.
PackRecipe make_smolvm_pack(const SmolvmPackRequest& request, const store::Store& store,
                            std::map<std::string, store::Output>& outputs);

}  // namespace bottle::pack
