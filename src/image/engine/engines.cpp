// SPDX-License-Identifier: Apache-2.0
#include "image/engine/engines.hpp"

#include <algorithm>

#include "container/cleanup_log.hpp"
#include "image/engine/drivers.hpp"
#include "util/error.hpp"
#include "util/process.hpp"
#include "util/staged_directory.hpp"
#include "util/text.hpp"

namespace bottle::image::engine {
namespace {

constexpr const char* kProbeSchema = "bottle-engine 1";
constexpr const char* kVersionFact = "version";
constexpr const char* kWork = "engine";  // in the build directory

// In the order of cmake/BottleEngineNames.cmake, without the builtin engine.
struct Driver {
  std::string_view engine;
  std::unique_ptr<Engine> (*make)(const BuildSpec& spec);
  std::vector<std::string> programs;  // what it starts: a new one may be another version
};

const std::vector<Driver>& drivers() {
  static const std::vector<Driver> kDrivers{{"docker", make_docker_engine, {"docker", "dockerd"}},
                                            {"podman", make_podman_engine, {"podman"}},
                                            {"buildah", make_buildah_engine, {"buildah"}},
                                            {"buildx", make_buildx_engine, {"docker", "dockerd"}}};
  return kDrivers;
}

const Driver* driver_of(const BuildSpec& spec) {
  const auto found = std::find_if(drivers().begin(), drivers().end(),
                                  [&](const Driver& driver) { return driver.engine == spec.engine; });
  return found != drivers().end() ? &*found : nullptr;
}

Digest probe_key(const BuildSpec& spec, const Engine& engine) {
  return sha256(std::string(kProbeSchema) + "\nengine = " + spec.engine + "\n" + engine.identity());
}

std::string ask(const BuildSpec& spec, const Engine& engine, const store::Store& store) {
  store::ActionResult result{.kind = "engine", .label = spec.engine};
  result.facts[kVersionFact] = engine.version();
  result.tool_version = BOTTLE_VERSION;
  try {
    store.put_action(probe_key(spec, engine), result);
  } catch (const Error&) {
    // A store that cannot be written to costs one more question.
  }
  return result.facts[kVersionFact];
}

std::string known_version(const BuildSpec& spec, const store::Store& store) {
  const auto engine = make_engine(spec);
  const store::Store::Lookup lookup = store.find_action(probe_key(spec, *engine));
  if (lookup.result) {
    const auto fact = lookup.result->facts.find(kVersionFact);
    if (fact != lookup.result->facts.end()) return fact->second;
  }
  return ask(spec, *engine, store);
}

}  // namespace

std::unique_ptr<Engine> make_engine(const BuildSpec& spec) {
  check_engine_name(spec.engine, "bottle " + spec.slug);
  if (const Driver* driver = driver_of(spec)) return driver->make(spec);
  throw UsageError("the builtin engine is not a program", {.where = "bottle " + spec.slug});
}

void clean_up_engines(const fs::path& build_directory, const std::function<void(const std::string&)>& warn,
                      const fs::path& locks) {
  container::remove_leftovers(build_directory, warn, locks);
  StagedDirectory::remove_abandoned(build_directory / kWork);
}

BuildSpec with_engine_programs(BuildSpec spec) {
  if (const Driver* driver = driver_of(spec))
    for (const std::string& name : driver->programs)
      if (const auto program = find_program(name)) spec.engine_programs.push_back(fs::absolute(*program));
  return spec;
}

BuildSpec with_engine(BuildSpec spec, const store::Store& store) {
  if (is_builtin(spec)) return spec;
  BuildSpec result = with_engine_programs(std::move(spec));
  if (result.engine_version.empty()) result.engine_version = known_version(result, store);
  return result;
}

std::string fresh_engine_version(const BuildSpec& spec, const store::Store& store) {
  return ask(spec, *make_engine(spec), store);
}

LoadedPlan build_with_engine(const resolve::Resolved& resolved, const store::Store& store,
                             const std::function<void(const std::string&)>& on_line) {
  const auto engine = make_engine(resolved.spec);
  const StagedDirectory work(resolved.spec.directory / kWork);
  LoadedPlan image =
      engine->build({.resolved = resolved, .store = store, .work = work.path(), .on_line = on_line});
  return image;
}

}  // namespace bottle::image::engine
