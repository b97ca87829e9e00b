// SPDX-License-Identifier: Apache-2.0
// Choosing an engine by its name, its version, and running it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "image/engine/engine.hpp"
#include "image/model/plan.hpp"
#include "image/model/spec.hpp"
#include "image/resolve/resolve.hpp"
#include "store/store.hpp"

namespace bottle::image::engine {

// The specification with the engine's installed programs; no program is started.
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
LoadedPlan build_with_engine(const resolve::Resolved& resolved, const store::Store& store,
                             const std::function<void(const std::string&)>& on_line);

}  // namespace bottle::image::engine
