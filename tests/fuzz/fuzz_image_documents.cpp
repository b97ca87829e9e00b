// SPDX-License-Identifier: Apache-2.0
// Manifests, indexes, configurations and layout files of images. The first byte chooses which.
#include "input.hpp"
#include "oci/descriptor.hpp"
#include "pack/describe.hpp"

using namespace bottle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Choice choice(fuzz::text_of(data, size), 5);
  fuzz::may_refuse([&] {
    switch (choice.way) {
      case 0:
        oci::parse_manifest(choice.rest, "fuzz");
        break;
      case 1:
        oci::parse_index(choice.rest, "fuzz");
        break;
      case 2:
        oci::parse_config(choice.rest, "fuzz");
        break;
      case 3: {
        pack::PackOptions options;
        options.image = "fuzz:latest";
        pack::Findings findings;
        pack::describe_image(std::string(choice.rest), options, findings).serialize();
        break;
      }
      default:
        oci::check_layout_file(choice.rest, "fuzz");
    }
  });
  return 0;
}
