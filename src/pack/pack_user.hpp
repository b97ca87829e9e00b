// SPDX-License-Identifier: Apache-2.0
// The manifest's user by the accounts that the image has.
#pragma once

#include <string>

#include "oci/content.hpp"
#include "oci/merged_tree.hpp"
#include "pack/findings.hpp"

namespace bottle::pack {

// smolvm's guest looks names up in the image's /etc/passwd and /etc/group, also "root", and starts nothing if
// one is missing; numbers need no line. Gives `user` with "0" for a "root" that has no line. A name without
// a line is a warning.
std::string resolvable_user(const std::string& user, const oci::MergedTree& tree,
                            const oci::ContentReader& reader, Findings& findings);

}  // namespace bottle::pack
