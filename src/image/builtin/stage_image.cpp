// SPDX-License-Identifier: Apache-2.0
#include "image/builtin/stage_image.hpp"

#include <utility>

namespace bottle::image::builtin {

StageImage StageImage::on(const StageImage& base) {
  StageImage image;
  image.image = base.image;
  image.base_layers = base.base_layers;
  image.not_loaded = base.not_loaded;
  image.base_ids = base.base_ids;
  image.own_ids = base.own_ids;
  return image;
}

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

void StageImage::add(StoredIndex layer) {
  own_ids += layer.blob.digest.hex() + "\n";
  PlanLayer added;
  added.digest = layer.digest;
  added.index_blob = layer.blob;
  append(std::move(added), std::move(layer.index));
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
  for (std::size_t i = 0; i < base.layers.size(); ++i)
    append(std::move(base.plan.layers[i]), std::move(base.layers[i]));
}

const oci::MergedTree& StageImage::merged() {
  for (; in_tree_ < image.layers.size(); ++in_tree_)
    tree_.apply(image.layers[in_tree_], "layer " + std::to_string(in_tree_ + 1),
                image.plan.layers[in_tree_].scope);
  return tree_;
}

void StageImage::append(PlanLayer added, oci::LayerIndex layer) {
  // The same layer a second time takes its bytes from where the first does: a plan keeps one index for
  // both.
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    if (image.plan.layers[i].digest != added.digest) continue;
    added.scope = image.plan.layers[i].scope;
    added.index_blob = image.plan.layers[i].index_blob;
    layer = image.layers[i];
    break;
  }
  image.plan.layers.push_back(std::move(added));
  image.layers.push_back(std::move(layer));
}

}  // namespace bottle::image::builtin
