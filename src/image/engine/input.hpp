// SPDX-License-Identifier: Apache-2.0
// What an outside engine builds from: a context that holds just the files that the instructions use, checked
// against the digests that are in the key, and everything else that they name as images of one kind.
#pragma once

#include <string>
#include <vector>

#include "image/engine/context.hpp"
#include "image/model/plan.hpp"
#include "image/resolve/resolve.hpp"
#include "store/store.hpp"

namespace bottle::image::engine {

// An image that the Dockerfile names by `reference`: a base, or the files of a named context.
struct EngineImage {
  std::string reference;
  LoadedPlan image;
};

struct EngineInput {
  fs::path dockerfile;
  fs::path context;
  std::vector<EngineImage> images;
};

// Makes the Dockerfile in `work`, and the context in the build directory's engine-context/. References are
// "<prefix>:0", "<prefix>:1", ...: a temporary name that is the same for each build in a build directory, and
// another for another directory.
EngineInput prepare_input(const resolve::Resolved& resolved, const store::Store& store, const fs::path& work,
                          ContextTimes times);

// "localhost/bottle-stage/<16 hex of the build directory's path>".
std::string reference_prefix(const fs::path& build_directory);

}  // namespace bottle::image::engine
