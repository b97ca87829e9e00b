// SPDX-License-Identifier: Apache-2.0
// Names of bases as they are compared.
#include "dockerfile/stages.hpp"
#include "oci/reference.hpp"

namespace bottle::dockerfile {

std::optional<std::string> familiar_name(std::string_view reference) {
  // 64 hexadecimal digits alone would be an image ID.
  if (Digest::from_hex(reference)) return std::nullopt;
  const auto parsed = oci::Reference::parse_if_valid(reference);
  return parsed ? std::optional(parsed->familiar()) : std::nullopt;
}

}  // namespace bottle::dockerfile
