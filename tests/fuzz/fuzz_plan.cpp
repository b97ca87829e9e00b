// SPDX-License-Identifier: Apache-2.0
// image.json: a plan that is read is written the same.
#include "image/model/plan.hpp"
#include "input.hpp"

using namespace bottle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::may_refuse([&] {
    const image::Plan plan = image::Plan::parse(text, "fuzz");
    const std::string again = plan.serialize();
    fuzz::check(image::Plan::parse(again, "fuzz").serialize() == again);
    image::platform_text(plan);
  });
  return 0;
}
