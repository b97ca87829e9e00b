// SPDX-License-Identifier: Apache-2.0
#include "pack/manifest_diff.hpp"

#include <map>

namespace bottle::pack {
namespace {

// (member, JSON) in the manifest's order.
using Values = std::vector<std::pair<std::string, std::string>>;

std::string text_of(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

// By name, so that one changed variable is one difference. The last of a name is the one that counts.
Values variables_of(const std::vector<std::string>& env) {
  std::map<std::string, std::string> by_name;
  for (const std::string& variable : env) {
    const std::size_t equals = variable.find('=');
    by_name[variable.substr(0, equals)] =
        text_of(equals == std::string::npos ? OrderedJson() : OrderedJson(variable.substr(equals + 1)));
  }
  Values values;
  for (auto& [name, value] : by_name)
    values.emplace_back("env " + name, std::move(value));
  return values;
}

Values values_of(const OpenPack& pack, Members wanted) {
  OrderedJson document = OrderedJson::parse(pack.manifest.serialize());
  document.erase("env");
  document.erase("assets");
  if (wanted == Members::machine)
    for (const char* name : {"created", "digest", "image_size", "smolvm_version", "host_platform"})
      document.erase(name);
  Values values;
  for (const auto& [name, value] : document.items())
    values.emplace_back(name, text_of(value));
  for (auto& variable : variables_of(pack.manifest.env))
    values.push_back(std::move(variable));
  if (pack.manifest.agent_rootfs.size > 0) values.emplace_back("agent_rootfs", "true");
  for (const auto& [name, asset] : {std::pair("overlay_template", pack.manifest.overlay_template),
                                    std::pair("workspace_seed", pack.manifest.workspace_seed)})
    if (asset) values.emplace_back(name, text_of(asset->path));
  for (const ForeignMember& member : foreign_members(pack.manifest_text))
    values.emplace_back(member.pointer, text_of(member.value));
  return values;
}

}  // namespace

std::vector<ManifestDifference> compare_manifests(const OpenPack& a, const OpenPack& b, Members members) {
  const Values left = values_of(a, members);
  const Values right = values_of(b, members);
  const std::map<std::string, std::string> in_left(left.begin(), left.end());
  const std::map<std::string, std::string> in_right(right.begin(), right.end());
  std::vector<ManifestDifference> differences;
  for (const auto& [name, value] : left) {
    const auto other = in_right.find(name);
    if (other == in_right.end() || other->second != value)
      differences.push_back({name, value, other == in_right.end() ? "" : other->second});
  }
  for (const auto& [name, value] : right)
    if (!in_left.contains(name)) differences.push_back({name, "", value});
  return differences;
}

}  // namespace bottle::pack
