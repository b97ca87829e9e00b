// SPDX-License-Identifier: Apache-2.0
#include "image/engine/input.hpp"

#include <map>
#include <set>

#include "image/engine/dockerfile.hpp"
#include "util/json.hpp"

namespace bottle::image::engine {
namespace {

constexpr const char* kMainContext = "context";
constexpr const char* kContextDirectory = "engine-context";

// All that the instructions use of one context, with the directories on the way.
oci::LayerIndex taken_from(const resolve::Resolved& resolved, const std::string& name) {
  std::set<std::size_t> sets;
  const auto add = [&](const FileSource& source, bool takes_anything) {
    const auto* files = std::get_if<ContextFiles>(&source);
    if (files != nullptr && files->context == name && takes_anything) sets.insert(files->set);
  };
  for (const auto& [number, stage] : resolved.stages)
    for (const resolve::FileStep& step : stage.steps) {
      const auto* copy = step.as<resolve::CopyStep>();
      for (const FileSource* source : step.sources())
        add(*source, copy == nullptr || !copy->request.sources.empty());
    }
  oci::LayerIndex all;
  std::map<std::string, oci::Entry> entries;
  for (const std::size_t set : sets) {
    const oci::LayerIndex index = resolved.scan(name).index(set);
    for (oci::Entry entry : index.entries) {
      if (entry.place.root != oci::Place::kNone) entry.place.root = all.root(index.roots[entry.place.root]);
      for (std::string_view parent = oci::parent_path(entry.path); !parent.empty();
           parent = oci::parent_path(parent)) {
        oci::Entry directory;
        directory.path = parent;
        directory.type = oci::EntryType::directory;
        directory.mode = 0755;
        if (!entries.emplace(directory.path, directory).second) break;
      }
      entry.mtime = resolved.epoch;
      entry.uid = entry.gid = 0;
      entries.insert_or_assign(entry.path, std::move(entry));
    }
  }
  for (auto& [path, entry] : entries) {
    entry.mtime = resolved.epoch;
    all.entries.push_back(std::move(entry));
  }
  return all;
}

// The files of a context as an image that can be copied from.
LoadedPlan image_of(oci::LayerIndex index, const resolve::Resolved& resolved) {
  LoadedPlan loaded;
  const oci::Platform platform = resolved.target().config.platform();
  Json config{{"architecture", platform.architecture}, {"os", platform.os}, {"config", Json::object()}};
  if (!platform.variant.empty()) config["variant"] = platform.variant;
  loaded.plan.config = config.dump();
  loaded.context_roots = context_roots(resolved);
  PlanLayer layer;
  layer.digest = index.digest();
  loaded.plan.layers.push_back(layer);
  loaded.layers.push_back(std::move(index));
  return loaded;
}

}  // namespace

std::string reference_prefix(const fs::path& build_directory) {
  return "localhost/bottle-stage/" + sha256(build_directory.native()).hex().substr(0, 16);
}

EngineInput prepare_input(const resolve::Resolved& resolved, const store::Store& store, const fs::path& work,
                          ContextTimes times) {
  EngineInput input{.dockerfile = work / "Dockerfile", .context = {}, .images = {}};
  const std::string prefix = reference_prefix(resolved.spec.directory);
  OutsideNames names = outside_names(resolved);
  const auto add = [&](LoadedPlan image) {
    input.images.push_back(
        {.reference = prefix + ":" + std::to_string(input.images.size()), .image = std::move(image)});
    return input.images.back().reference;
  };
  for (auto& [name, reference] : names.images)
    reference = add(resolved.images.at(name)->load(store));
  for (auto& [name, reference] : names.scans)
    reference = add(image_of(taken_from(resolved, name), resolved));
  write_file(input.dockerfile, engine_dockerfile(resolved, names), Durable::no);
  // BuildKit looks for it first: what the context holds was chosen already.
  write_file(input.dockerfile.native() + ".dockerignore", "", Durable::no);
  LoadedPlan contexts;
  contexts.context_roots = context_roots(resolved);
  input.context = stage_context(taken_from(resolved, kMainContext), contexts.reader(store),
                                resolved.spec.directory / kContextDirectory, resolved.epoch, times);
  return input;
}

}  // namespace bottle::image::engine
