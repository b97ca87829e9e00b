#include "image/stage_image.hpp"

#include <utility>

namespace bottle::image {

Digest StageImage::identity() const {
  std::string text = base_ids;
  for (std::size_t i = base_ids.empty() ? 0 : base_layers; i < image.plan.layers.size(); ++i)
    text += image.plan.layers[i].digest.hex() + "\n";
  return sha256(text);
}

Digest StageImage::identity_with_places() const {
  Sha256 hasher;
  hasher.update(base_ids);
  for (std::size_t i = 0; i < base_layers && base_ids.empty(); ++i) {
    hasher.update(image.plan.layers[i].scope + "\n");
    hasher.update(image.layers[i].serialize());
  }
  hasher.update(own_ids);
  return hasher.finish();
}

void StageImage::add(oci::LayerIndex layer, const Digest& serialized) {
  own_ids += serialized.hex() + "\n";
  append(std::move(layer));
}

void StageImage::load(LoadedPlan base) {
  not_loaded = nullptr;
  tree_ = {};
  in_tree_ = 0;
  base_layers = base.layers.size();
  std::swap(image.plan, base.plan);
  std::swap(image.layers, base.layers);
  image.context_roots.merge(base.context_roots);
  image.blob_directories.insert(image.blob_directories.end(), base.blob_directories.begin(),
                                base.blob_directories.end());
  for (oci::LayerIndex& layer : base.layers)
    append(std::move(layer));
}

const oci::MergedTree& StageImage::merged() {
  for (; in_tree_ < image.layers.size(); ++in_tree_)
    tree_.apply(image.layers[in_tree_], "layer " + std::to_string(in_tree_ + 1),
                image.plan.layers[in_tree_].scope);
  return tree_;
}

void StageImage::append(oci::LayerIndex layer) {
  PlanLayer added{.digest = layer.digest(), .scope = {}, .diff_id = {}, .blob_media_type = {}, .blob = {}};
  // The same layer a second time takes its bytes from where the first does: a plan keeps one index for
  // both.
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    if (image.plan.layers[i].digest != added.digest) continue;
    added.scope = image.plan.layers[i].scope;
    layer = image.layers[i];
    break;
  }
  image.plan.layers.push_back(std::move(added));
  image.layers.push_back(std::move(layer));
}

}  // namespace bottle::image
