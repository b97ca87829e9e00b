// SPDX-License-Identifier: Apache-2.0
#include "image/model/export.hpp"

#include "oci/damage.hpp"
#include "oci/image_source.hpp"
#include "oci/layout_writer.hpp"
#include "oci/tar_writer.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"

namespace bottle::image {
inline namespace model {
namespace {

oci::FileRange blob_range(const LoadedPlan& image, const PlanLayer& layer, const store::Store& store) {
  const auto path = image.find_blob(*layer.blob, store);
  if (!path)
    throw oci::DamageError(
        oci::Damage::blob,
        "the layer blob " + layer.blob->string() + " is neither in the build directory nor in the store",
        {.where = store.directory().native(),
         .hint = "build the image again, which fetches the layer: bottle-image build"});
  return {.file = std::make_shared<Fd>(open_for_reading(*path)),
          .offset = 0,
          .size = layer.blob_size,
          .name = path->native()};
}

}  // namespace

ExportReport export_layout(const LoadedPlan& image, const store::Store& store, const fs::path& target,
                           const std::string& ref_name) {
  ExportReport result;
  oci::LayoutWriter writer(target);
  const oci::ContentReader reader = image.reader(store);
  std::vector<oci::Descriptor> descriptors;
  Json diff_ids = Json::array();
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    check_interrupted();
    const PlanLayer& layer = image.plan.layers[i];
    if (layer.blob && layer.diff_id) {
      oci::Descriptor expected;
      expected.media_type = layer.blob_media_type;
      expected.digest = *layer.blob;
      expected.size = layer.blob_size;
      descriptors.push_back(writer.copy_blob(blob_range(image, layer, store), expected));
      diff_ids.push_back(layer.diff_id->string());
      ++result.layers_copied;
      continue;
    }
    // Context roots of a layer from another bottle are known under their scope.
    oci::LayerIndex scoped = image.layers[i];
    for (std::string& root : scoped.roots)
      if (!root.starts_with("blob:")) root = layer.scope + root;
    const oci::WrittenLayer written = writer.write_layer([&](const oci::Sink& sink) {
      oci::write_layer_tar(scoped, reader, "layer " + std::to_string(i + 1), sink);
    });
    descriptors.push_back(written.descriptor);
    diff_ids.push_back(written.diff_id.string());
    ++result.layers_written;
  }
  Json config = parse_json(image.plan.config, "image plan: configuration");
  config["rootfs"] = {{"type", "layers"}, {"diff_ids", diff_ids}};
  // What an outside engine made keeps its image ID.
  const std::string& engine_config = image.plan.engine_config;
  const oci::Descriptor config_descriptor =
      writer.write_blob(oci::kConfigType, engine_config.empty() ? config.dump() : engine_config);
  const oci::Descriptor manifest = writer.write_manifest(config_descriptor, descriptors);
  result.image_id = config_descriptor.digest;
  result.image_digest = manifest.digest;
  const JsonView view(config, "image plan: configuration#");
  writer.commit(manifest,
                oci::Platform{.os = view.string_or("os", ""),
                              .architecture = view.string_or("architecture", ""),
                              .variant = view.string_or("variant", "")},
                ref_name);
  return result;
}

}  // namespace model
}  // namespace bottle::image
