// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_user.hpp"

#include <fmt/format.h>

#include "image/model/users.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr std::uint64_t kMaximumAccounts = 10u << 20;  // bytes, as for USER in a build

// The file's text; empty if it is not there, or too big to be what the guest reads.
std::string read_accounts(const char* path, const oci::MergedTree& tree, const oci::ContentReader& reader) {
  const auto resolved = tree.resolve(path, true);
  const oci::MergedTree::Node* node = resolved ? tree.find(*resolved) : nullptr;
  if (node == nullptr || node->inode->type != oci::EntryType::file || node->inode->size > kMaximumAccounts)
    return {};
  std::string text(static_cast<std::size_t>(node->inode->size), '\0');
  if (!text.empty())
    reader.read_verified(*node->inode, tree.roots(), std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

std::string resolvable_user(const std::string& user, const oci::MergedTree& tree,
                            const oci::ContentReader& reader, Findings& findings) {
  const auto resolvable = [&](const std::string& token, const char* path, auto find) -> std::string {
    if (const auto number = parse_unsigned(token); number && *number <= UINT32_MAX) return token;
    if (find(read_accounts(path, tree, reader), token)) return token;
    if (token == "root") return "0";
    findings.warnings.push_back(
        fmt::format("USER {}: \"{}\" is not in the image's /{}, so the machine cannot start the workload",
                    user, token, path));
    return token;
  };
  const std::size_t colon = user.find(':');
  std::string result = resolvable(
      user.substr(0, colon), "etc/passwd",
      [](const auto& text, const auto& name) { return image::find_in_passwd(text, name).has_value(); });
  if (colon != std::string::npos)
    result += ":" + resolvable(user.substr(colon + 1), "etc/group", [](const auto& text, const auto& name) {
                return image::find_in_group(text, name).has_value();
              });
  return result;
}

}  // namespace bottle::pack
