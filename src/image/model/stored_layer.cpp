// SPDX-License-Identifier: Apache-2.0
#include "image/model/stored_layer.hpp"

#include <functional>
#include <memory>

#include "image/model/stored_index.hpp"

namespace bottle::image {
inline namespace model {
namespace {

constexpr const char* kLayerSchema = "bottle-layer 1";

enum class Blob { keep, is_there };

StoredLayer import(const oci::SourceLayer& layer, Blob keep, const store::Store& store) {
  const bool is_plain = layer.digest == layer.diff_id;
  const bool writes_blob = !is_plain && keep == Blob::keep;
  store::Store::Writer tar(store);
  store::Store::Writer blob(store);
  store::ActionResult result{.kind = "layer", .label = layer.blob.name};
  const oci::KeepContent keep_content = [&](const std::function<void(const oci::Sink&)>& produce) {
    store::Store::Writer content(store);
    produce([&](std::span<const std::byte> data) { content.write(data); });
    const store::Output output = content.commit();
    result.outputs["content " + output.digest.hex()] = output;
    return output.digest;
  };
  oci::ImportedLayer imported = layer.import(
      [&](std::span<const std::byte> data) { tar.write(data); },
      writes_blob ? [&](std::span<const std::byte> data) { blob.write(data); } : oci::Sink{}, keep_content);
  result.outputs["tar"] = tar.commit(imported.diff_id);
  result.outputs["blob"] = is_plain      ? result.outputs["tar"]
                           : writes_blob ? blob.commit(imported.digest)
                                         : store::Output{imported.digest, imported.size};
  StoredIndex index = store_index(std::move(imported.index), store);
  result.outputs["index"] = index.blob;
  result.tool_version = BOTTLE_VERSION;
  store.put_action(layer_action(layer.digest, layer.diff_id), result);
  return {.index = std::move(index),
          .blob = result.outputs["blob"].digest,
          .blob_size = result.outputs["blob"].size};
}

}  // namespace

Digest layer_action(const std::optional<Digest>& blob, const Digest& diff_id) {
  return sha256(std::string(kLayerSchema) + "\nblob = " + (blob ? blob->hex() : "") +
                "\ndiff = " + diff_id.hex() + "\n");
}

PlanLayer StoredLayer::plan_layer(const Digest& diff_id, const std::string& media_type) const {
  return {.digest = index.digest,
          .scope = {},
          .diff_id = diff_id,
          .blob_media_type = media_type,
          .blob = blob,
          .blob_size = blob_size,
          .index_blob = index.blob};
}

std::optional<StoredLayer> find_layer(const std::optional<Digest>& blob, const Digest& diff_id,
                                      const store::Store& store) {
  const auto lookup = store.find_action(layer_action(blob, diff_id));
  if (!lookup.result) return std::nullopt;
  const auto& outputs = lookup.result->outputs;
  auto index = read_stored_index(outputs.at("index").digest, store);
  if (!index) return std::nullopt;
  return StoredLayer{
      .index = std::move(*index), .blob = outputs.at("blob").digest, .blob_size = outputs.at("blob").size};
}

StoredLayer import_layer(const oci::SourceLayer& layer, const store::Store& store) {
  if (auto stored = find_layer(layer.digest, layer.diff_id, store)) return std::move(*stored);
  return import(layer, Blob::keep, store);
}

StoredLayer import_stored_blob(const oci::Descriptor& blob, const Digest& diff_id,
                               const store::Store& store) {
  const fs::path path = store.blob_path(blob.digest);
  auto file = std::make_shared<Fd>(open_for_reading(path));
  return import({.media_type = blob.media_type,
                 .digest = blob.digest,
                 .size = blob.size,
                 .diff_id = diff_id,
                 .blob = {std::move(file), 0, blob.size, path.native()}},
                Blob::is_there, store);
}

}  // namespace model
}  // namespace bottle::image
