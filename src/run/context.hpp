// SPDX-License-Identifier: Apache-2.0
// What a RUN is executed on: the image below it, its mounts, secrets and agents.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "image/model/plan.hpp"
#include "image/model/spec.hpp"
#include "image/model/users.hpp"
#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"
#include "run/isolation.hpp"
#include "store/store.hpp"

namespace bottle::run {

// What a mount shows: the tree of a stage or image, or files of a context.
struct RunTree {
  image::LoadedPlan image;
  std::size_t base_layers = 0;
  std::optional<oci::LayerIndex> taken;  // of a context, whose roots image.context_roots knows
};

struct RunContext {
  const store::Store& store;
  fs::path place = {};  // what holds run/, snapshots/ and cache/ (run_gc.hpp): the store's directory
  const image::LoadedPlan& image;  // the layers below
  const oci::MergedTree& tree;     // what they make
  std::size_t base_layers = 0;     // how many of them the base brought
  std::int64_t epoch = 0;
  Isolation isolation = {};                    // the grade that executes it
  std::vector<std::optional<RunTree>> mounts;  // one for each of the request's
  std::vector<image::SecretSpec> secrets;
  std::vector<image::SshSpec> agents;
  std::function<void(std::string_view line)> on_line;  // of what the command says, without the line's end
  image::Warn warn;
  bool debug_shell =
      false;  // a command that fails is followed by a shell where it was, if there is a terminal
};

}  // namespace bottle::run
