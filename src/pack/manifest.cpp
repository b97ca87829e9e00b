// SPDX-License-Identifier: Apache-2.0
#include "pack/manifest.hpp"

#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::pack {
namespace {

OrderedJson asset_json(const Asset& asset) {
  OrderedJson json = OrderedJson::object();
  json["path"] = asset.path;
  json["size"] = asset.size;
  return json;
}

OrderedJson assets_json(const Manifest& manifest) {
  OrderedJson assets = OrderedJson::object();
  assets["libraries"] = OrderedJson::array();
  for (const Asset& library : manifest.libraries)
    assets["libraries"].push_back(asset_json(library));
  assets["agent_rootfs"] = asset_json(manifest.agent_rootfs);
  assets["layers"] = OrderedJson::array();
  for (const LayerAsset& layer : manifest.layers) {
    OrderedJson json = OrderedJson::object();
    json["digest"] = layer.digest;
    json["path"] = layer.path;
    json["size"] = layer.size;
    assets["layers"].push_back(std::move(json));
  }
  if (manifest.storage_template) assets["storage_template"] = asset_json(*manifest.storage_template);
  if (manifest.storage_logical_size) assets["storage_logical_size"] = *manifest.storage_logical_size;
  if (manifest.overlay_template) assets["overlay_template"] = asset_json(*manifest.overlay_template);
  if (manifest.overlay_logical_size) assets["overlay_logical_size"] = *manifest.overlay_logical_size;
  if (manifest.workspace_seed) assets["workspace_seed"] = asset_json(*manifest.workspace_seed);
  return assets;
}

}  // namespace

std::string Manifest::serialize(const std::vector<ForeignMember>& foreign) const {
  OrderedJson json = OrderedJson::object();
  json["mode"] = mode == Mode::container ? "container" : "vm";
  json["image"] = image;
  json["digest"] = digest;
  json["platform"] = platform;
  if (!entrypoint.empty()) json["entrypoint"] = entrypoint;
  if (!cmd.empty()) json["cmd"] = cmd;
  if (!env.empty()) json["env"] = env;
  if (!secret_refs.empty()) {
    json["secret_refs"] = OrderedJson::object();
    for (const auto& [name, reference] : secret_refs) {
      OrderedJson value = OrderedJson::object();
      if (reference.from_env) value["from_env"] = *reference.from_env;
      if (reference.from_file) value["from_file"] = *reference.from_file;
      json["secret_refs"][name] = std::move(value);
    }
  }
  if (workdir) json["workdir"] = *workdir;
  if (user) json["user"] = *user;
  json["cpus"] = static_cast<unsigned>(cpus);
  json["mem"] = mem;
  json["image_size"] = image_size;
  json["network"] = network;
  json["gpu"] = gpu;
  json["cuda"] = cuda;
  json["host_platform"] = host_platform;
  json["created"] = created;
  json["smolvm_version"] = smolvm_version;
  json["assets"] = assets_json(*this);
  for (const ForeignMember& member : foreign)
    json[OrderedJson::json_pointer(member.pointer)] = member.value;
  try {
    return json.dump(2, ' ', false);
  } catch (const OrderedJson::type_error&) {
    throw Error("the image's configuration or a pack option is not valid UTF-8",
                {.hint = "use UTF-8 only: the manifest of a pack is JSON"});
  }
}

}  // namespace bottle::pack
