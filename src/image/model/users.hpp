// SPDX-License-Identifier: Apache-2.0
// Who "--chown=web:staff" and "USER web" are, by the files of the image.
// Source: passwd(5), group(5); BuildKit, client/llb (WithUser) and solver/llbsolver/ops (readUser).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/merged_tree.hpp"

namespace bottle::image {
inline namespace model {

struct Owner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool operator==(const Owner&) const = default;
};

// The content of a file of a tree whose table of roots is given, as oci::ContentReader::read_verified.
using ReadContent = std::function<std::string(const oci::Entry&, const std::vector<std::string>& roots)>;
// Takes one line for the user.
using Warn = std::function<void(const std::string&)>;

// What is in passwd(5) or group(5) text for a name: nullopt if there is no such line. A broken number is 0.
std::optional<Owner> find_in_passwd(std::string_view text, std::string_view name);
std::optional<std::uint32_t> find_in_group(std::string_view text, std::string_view name);

// "user", "user:group", with names or numbers. A user's number alone is the group's number too; a user's name
// alone brings the group of its line. As with BuildKit, a name that is not found is 0; `warn` gets a message
// (which may be empty). Throws when a name is looked up in an empty tree, and when /etc/passwd is not a file
// or larger than 10 MiB.
Owner resolve_owner(std::string_view text, const oci::MergedTree& tree, const ReadContent& read,
                    const Warn& warn);

}  // namespace model
}  // namespace bottle::image
