// SPDX-License-Identifier: Apache-2.0
#include "image/builtin/stored_image.hpp"

#include <string_view>

#include "image/model/stored_index.hpp"

namespace bottle::image::builtin {
namespace {

constexpr const char* kPlaces = "places";

}  // namespace

void add_blob_outputs(const oci::LayerIndex& index, const store::Store& store,
                      std::map<std::string, store::Output>& outputs) {
  constexpr std::string_view kBlobRoot = "blob:";
  for (const std::string& root : index.roots) {
    if (!root.starts_with(kBlobRoot)) continue;
    const auto digest = Digest::parse(root.substr(kBlobRoot.size()));
    const auto path = digest ? store.find_blob(*digest) : std::nullopt;
    if (path) outputs["blob/" + digest->hex()] = {.digest = *digest, .size = fs::file_size(*path)};
  }
}

void store_image(const LoadedPlan& image, const Digest& key, const resolve::Resolved& resolved,
                 std::uint64_t milliseconds, const store::Store& store) {
  store::ActionResult result{.kind = "image", .label = resolved.spec.slug};
  if (is_builtin(resolved.spec)) result.facts[kPlaces] = places(resolved);
  result.outputs["plan"] = store.put(image.plan.serialize());
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const PlanLayer& layer = image.plan.layers[i];
    result.outputs["layer/" + std::to_string(i)] =
        layer.index_blob ? *layer.index_blob : store.put(image.layers[i].serialize());
    add_blob_outputs(image.layers[i], store, result.outputs);
    // The blob as it came, which the layer's places do not name if it is compressed.
    if (layer.blob && store.find_blob(*layer.blob))
      result.outputs["blob/" + layer.blob->hex()] = {.digest = *layer.blob, .size = layer.blob_size};
  }
  result.facts["planDigest"] = image.plan.digest().string();
  result.tool_version = BOTTLE_VERSION;
  result.milliseconds = milliseconds;
  store.put_action(key, result);
}

bool has_present_places(const store::ActionResult& result, const resolve::Resolved& resolved) {
  const auto recorded = result.facts.find(kPlaces);
  return recorded == result.facts.end() || recorded->second == places(resolved);
}

std::optional<LoadedPlan> stored_image(const store::ActionResult& result, const resolve::Resolved& resolved,
                                       const store::Store& store) {
  const auto plan = result.outputs.find("plan");
  const auto text = plan == result.outputs.end() ? std::nullopt : read_stored(plan->second.digest, store);
  if (!text) return std::nullopt;
  LoadedPlan image;
  image.plan = Plan::parse(*text, store.blob_path(plan->second.digest).native());
  for (std::size_t i = 0; i < image.plan.layers.size(); ++i) {
    const auto layer = result.outputs.find("layer/" + std::to_string(i));
    if (layer == result.outputs.end()) return std::nullopt;
    auto index = read_stored_index(layer->second.digest, store);
    if (!index) return std::nullopt;
    if (index->digest != image.plan.layers[i].digest) return std::nullopt;
    image.layers.push_back(std::move(index->index));
    image.plan.layers[i].index_blob = index->blob;
  }
  image.context_roots = context_roots(resolved);
  for (const auto& [name, outside] : resolved.images) {
    for (const auto& root : outside->context_roots())
      image.context_roots.insert(root);
    for (const fs::path& path : outside->blob_directories())
      image.blob_directories.push_back(path);
  }
  return image;
}

}  // namespace bottle::image::builtin
