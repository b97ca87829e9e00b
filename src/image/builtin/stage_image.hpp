// SPDX-License-Identifier: Apache-2.0
// A stage's image while it is built: its layers so far, and what stands for them in the keys of instructions.
#pragma once

#include <cstddef>
#include <string>

#include "image/model/outside_image.hpp"
#include "image/model/plan.hpp"
#include "image/model/stored_index.hpp"
#include "oci/merged_tree.hpp"
#include "util/digest.hpp"

namespace bottle::image::builtin {

struct StageImage {
  LoadedPlan image;             // without the layers of the outside image until that is loaded
  std::size_t base_layers = 0;  // what the outside image brought
  const OutsideImage* not_loaded = nullptr;
  std::string base_ids;  // what stands for the layers of an outside image that need not be loaded
  std::string own_ids;   // of the other layers, with the places

  // What a stage FROM `base` begins with.
  static StageImage on(const StageImage& base);

  // All layers so far. Made when asked for: a stored instruction needs none, nor does anything the last
  // layer's. Not before the outside image is loaded.
  const oci::MergedTree& merged();
  // What lies below an instruction, for its key.
  Digest identity() const;
  // The same with the places of the bytes: what an instruction that copies from here depends on.
  Digest identity_with_places() const;
  void add(StoredIndex layer);
  // Puts the layers of the outside image below those that are there.
  void load(LoadedPlan base);

 private:
  void append(PlanLayer added, oci::LayerIndex layer);

  oci::MergedTree tree_;
  std::size_t in_tree_ = 0;  // layers
};

}  // namespace bottle::image::builtin
