// SPDX-License-Identifier: Apache-2.0
// A manifest or index from a registry, through all that reads it. The first byte chooses the Content-Type.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "oci/index_choice.hpp"
#include "registry/manifest_type.hpp"
#include "registry/push.hpp"
#include "registry/session.hpp"
#include "util/error.hpp"

using namespace bottle;
using namespace bottle::registry;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static constexpr std::array<std::string_view, 4> kTypes{"", oci::kIndexType, oci::kManifestType,
                                                          "text/plain"};
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  error_summary(text);
  try {
    const std::string type = manifest_type(text, kTypes[data[0] % kTypes.size()], "fuzz");
    manifest_details(text, "fuzz");
    if (!oci::is_index_type(type)) {
      oci::parse_manifest(text, "fuzz");
      return 0;
    }
    const auto list = oci::parse_index(text, "fuzz");
    const oci::ReadDocument read = [](const oci::Descriptor&) { return std::nullopt; };
    oci::choose_image(list, {"linux", "amd64", "", ""}, read, "fuzz");
    oci::list_images(list, read, "fuzz");
    oci::Descriptor entry{.media_type = std::string(oci::kManifestType),
                          .size = 1,
                          .platform = oci::Platform{"linux", "amd64", ""}};
    const auto merged = merged_index(std::string(text), entry, -1);
    if (merged && merged_index(*merged, entry, -1)) __builtin_trap();
  } catch (const Error& error) {
    if (error.message().empty()) __builtin_trap();
  }
  return 0;
}
