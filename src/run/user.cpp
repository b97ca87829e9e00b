// SPDX-License-Identifier: Apache-2.0
#include "run/user.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

constexpr std::uint64_t kMaximumFile = 10u << 20;

std::string text_of(const char* path, const oci::MergedTree& tree, const image::ReadContent& read) {
  const auto resolved = tree.resolve(path, true);
  const oci::MergedTree::Node* node = resolved ? tree.find(*resolved) : nullptr;
  if (node == nullptr || node->inode->type != oci::EntryType::file || node->inode->size == 0 ||
      node->inode->size > kMaximumFile)
    return {};
  return read(*node->inode, tree.roots());
}

std::optional<std::uint32_t> number(std::string_view text) {
  const auto value = parse_unsigned(text);
  if (!value || *value > INT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

}  // namespace

RunUser resolve_run_user(std::string_view text, const oci::MergedTree& tree, const image::ReadContent& read) {
  const std::size_t colon = text.find(':');
  std::string_view user = text.substr(0, colon);
  if (user.empty()) user = "0";
  const auto uid = number(user);
  RunUser result;
  const std::string passwd = text_of("etc/passwd", tree, read);
  std::string name;
  for (const std::string_view line : split(passwd, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto line_uid = number(fields[2]);
    if (fields[0] != user && !(uid && line_uid == uid)) continue;
    name = fields[0];
    result.uid = line_uid.value_or(0);
    result.gid = number(fields[3]).value_or(0);
    if (fields.size() > 5 && !fields[5].empty()) result.home = fields[5];
    break;
  }
  if (name.empty()) {
    if (!uid && user != "root")
      throw Error(fmt::format("the user \"{}\" is not in /etc/passwd of the image", user),
                  {.hint = "create the user first (RUN adduser ...), or write its number"});
    result.uid = uid.value_or(0);  // its home is "/", also for user 0 (runc, libcontainer/user)
  }

  const std::string groups = text_of("etc/group", tree, read);
  if (colon != std::string_view::npos && colon + 1 < text.size()) {
    const std::string_view group = text.substr(colon + 1);
    std::optional<std::uint32_t> gid = number(group);
    if (!gid) gid = image::find_in_group(groups, group);
    if (!gid)
      throw Error(fmt::format("the group \"{}\" is not in /etc/group of the image", group),
                  {.hint = "create the group first (RUN addgroup ...), or write its number"});
    result.gid = *gid;
  }
  result.groups.push_back(result.gid);
  if (colon != std::string_view::npos || name.empty()) return result;
  for (const std::string_view line : split(groups, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto gid = number(fields[2]);
    const auto members = split(fields[3], ',');
    if (!gid || std::find(members.begin(), members.end(), name) == members.end()) continue;
    if (std::find(result.groups.begin(), result.groups.end(), *gid) == result.groups.end())
      result.groups.push_back(*gid);
  }
  return result;
}

}  // namespace bottle::run
