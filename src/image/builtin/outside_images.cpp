// SPDX-License-Identifier: Apache-2.0
#include "image/builtin/outside_images.hpp"

namespace bottle::image::builtin {

StageImage& OutsideImages::image(const std::string& name) {
  const auto [found, is_new] = images_.try_emplace(name);
  StageImage& image = found->second;
  if (!is_new) return image;
  image.not_loaded = resolved_.images.at(name).get();
  const auto ids = image.not_loaded->diff_ids();
  if (!ids) return loaded(image);
  for (const Digest& id : *ids)
    image.base_ids += "diff " + id.hex() + "\n";
  return image;
}

StageImage& OutsideImages::loaded(StageImage& state) {
  if (state.not_loaded == nullptr) return state;
  const auto found = plans_.find(state.not_loaded);
  state.load(found != plans_.end()
                 ? found->second
                 : plans_.emplace(state.not_loaded, state.not_loaded->load(store_)).first->second);
  return state;
}

}  // namespace bottle::image::builtin
