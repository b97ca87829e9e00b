// SPDX-License-Identifier: Apache-2.0
// The text of a layer index: what is read is written the same, and its digest needs no parsing.
#include "input.hpp"
#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"

using namespace bottle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::may_refuse([&] {
    const oci::LayerIndex index = oci::LayerIndex::parse(text, "fuzz");
    const std::string again = index.serialize();
    const oci::LayerIndex second = oci::LayerIndex::parse(again, "fuzz");
    fuzz::check(second.serialize() == again);
    fuzz::check(oci::LayerIndex::digest_of(again) == index.digest());
    oci::MergedTree tree;
    tree.apply(index, "fuzz");
    tree.entries();
  });
  return 0;
}
