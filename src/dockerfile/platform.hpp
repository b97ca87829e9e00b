// SPDX-License-Identifier: Apache-2.0
// Platforms as FROM --platform and the TARGET... arguments write them: os[(version)]/architecture[/variant]
// (OCI image-spec, image-index.md "platform"; the spellings that are folded are those of
// containerd/platforms).
#pragma once

#include <optional>
#include <string_view>

#include "oci/platform.hpp"

namespace bottle::dockerfile {

// One word alone is an operating system or an architecture; the other part is the host's. nullopt if it is
// neither or a part has unusual characters.
std::optional<oci::Platform> parse_platform(std::string_view text);

}  // namespace bottle::dockerfile
