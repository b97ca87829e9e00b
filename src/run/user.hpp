// SPDX-License-Identifier: Apache-2.0
// Who executes a RUN instruction, by the files of the image.
// Source: passwd(5), group(5); BuildKit, executor/oci (GetUser), and the user package that it and runc share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "image/model/users.hpp"
#include "oci/merged_tree.hpp"

namespace bottle::run {

struct RunUser {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  // supplementary ones, the group itself first
  std::string home = "/";
};

// "", "user", "user:group", with names or numbers. A number that is not in /etc/passwd has the group 0 and
// the home "/". Throws for a name that is not there.
RunUser resolve_run_user(std::string_view text, const oci::MergedTree& tree, const image::ReadContent& read);

}  // namespace bottle::run
