// SPDX-License-Identifier: Apache-2.0
// spec.json.
#include "image/model/spec.hpp"
#include "input.hpp"

using namespace bottle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::InputFile file(fuzz::text_of(data, size));
  fuzz::may_refuse([&] { fuzz::check(image::is_slug(image::load_spec(file.path()).slug)); });
  return 0;
}
