// What turns a Dockerfile into an image in place of the builtin engine: drivers of other programs behind one
// interface. What they are given is what the key is made of (engine/input.hpp), and what they give comes into
// the store as layers (engine/import.hpp), so everything before and behind an engine is the same for all.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "image/model/plan.hpp"
#include "image/model/spec.hpp"
#include "image/resolve/resolve.hpp"
#include "store/store.hpp"

namespace bottle::image {

struct EngineRequest {
  const Resolved& resolved;
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

// The specification with the engine's installed programs; nobody is asked.
BuildSpec with_engine_programs(BuildSpec spec);
// And with its version: the one remembered for the engine's identity, or asked for and remembered.
BuildSpec with_engine(BuildSpec spec, const store::Store& store);
// Asks and remembers. An engine that is about to run may have been replaced behind an unchanged program.
std::string fresh_engine_version(const BuildSpec& spec, const store::Store& store);

// Takes out of the engines what a killed build in this directory has left there; starts nothing if that is
// nothing. The caller holds the directory's lock. `warn` hears of an engine that does not answer in time;
// `locks` is the store's directory.
void clean_up_engines(const fs::path& build_directory,
                      const std::function<void(const std::string&)>& warn = {}, const fs::path& locks = {});

std::unique_ptr<Engine> make_engine(const BuildSpec& spec);

// Runs the engine for what was resolved.
LoadedPlan build_with_engine(const Resolved& resolved, const store::Store& store,
                             const std::function<void(const std::string&)>& on_line);

}  // namespace bottle::image
