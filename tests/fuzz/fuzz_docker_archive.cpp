// SPDX-License-Identifier: Apache-2.0
// An archive of an image, as `docker save` or skopeo write it: layers are imported as well.
#include "input.hpp"
#include "oci/image_source.hpp"

using namespace bottle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::InputFile file(fuzz::text_of(data, size));
  fuzz::may_refuse([&] {
    const oci::ImageSource image = oci::open_archive(file.path());
    for (const oci::SourceLayer& layer : image.layers)
      layer.import([](std::span<const std::byte>) {});
  });
  return 0;
}
