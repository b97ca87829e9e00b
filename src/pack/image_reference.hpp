// SPDX-License-Identifier: Apache-2.0
// The image name in a manifest is a reference that the guest checks.
#pragma once

#include <string>
#include <string_view>

namespace bottle::pack {

// The reference as smolvm spells it out: with registry, "library/" and tag; a digest replaces the tag.
std::string canonical_image(std::string_view reference);

// Why the guest refuses the canonical reference, or an empty string.
std::string image_problem(std::string_view canonical);

}  // namespace bottle::pack
