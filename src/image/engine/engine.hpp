// SPDX-License-Identifier: Apache-2.0
// What turns a Dockerfile into an image in place of the builtin engine: drivers of other programs behind one
// interface. Their input is what the key is made of (engine/input.hpp), and what they give comes into the
// store as layers (engine/import.hpp), so everything before and behind an engine is the same for all.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "image/model/plan.hpp"
#include "image/model/spec.hpp"
#include "image/resolve/resolve.hpp"
#include "store/store.hpp"

namespace bottle::image::engine {

struct EngineRequest {
  const resolve::Resolved& resolved;
  const store::Store& store;
  fs::path work;  // an empty directory that goes away with the build
  std::function<void(const std::string&)> on_line;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // What says that a version learnt before still holds, without starting anything: programs by file, inode,
  // size and time, and what of the environment chooses between daemons. Throws when a program is missing,
  // naming what to install.
  virtual std::string identity() const = 0;
  // Asks the engine: "20.10.24+dfsg1 classic". Throws when it cannot be reached, with the remedy.
  virtual std::string version() const = 0;
  // Builds the target stage. Whatever it makes in the engine beside the image and its cache is removed again,
  // and if this process is killed, by the next build in the same build directory.
  virtual LoadedPlan build(const EngineRequest& request) const = 0;
};

}  // namespace bottle::image::engine
