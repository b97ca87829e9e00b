// SPDX-License-Identifier: Apache-2.0
// The outside images that stages begin with and copy from. One may be far away, so it is loaded when
// something needs more than what is known of it.
#pragma once

#include <map>
#include <string>

#include "image/builtin/stage_image.hpp"
#include "image/resolve/resolve.hpp"
#include "store/store.hpp"

namespace bottle::image::builtin {

class OutsideImages {
 public:
  // Refers to both.
  OutsideImages(const resolve::Resolved& resolved, const store::Store& store)
      : resolved_(resolved), store_(store) {}

  // By its name in `resolved`; lives as long as this does.
  StageImage& image(const std::string& name);
  // `state` with the layers of the outside image that is its base.
  StageImage& loaded(StageImage& state);

 private:
  const resolve::Resolved& resolved_;
  const store::Store& store_;
  std::map<std::string, StageImage> images_;
  std::map<const OutsideImage*, LoadedPlan> plans_;  // loaded
};

}  // namespace bottle::image::builtin
