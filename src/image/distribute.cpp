// SPDX-License-Identifier: Apache-2.0
#include "image/distribute.hpp"

#include <chrono>

#include "oci/damage.hpp"
#include "oci/layout_writer.hpp"
#include "oci/tar_writer.hpp"
#include "registry/blob_sources.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

constexpr const char* kBlobName = "layer";
constexpr const char* kDiffId = "diffId";

struct CompressedLayer {
  Digest diff_id;
  store::Output blob;
};

std::string_view media_type(oci::Compression compression) {
  switch (compression) {
    case oci::Compression::gzip:
      return oci::kLayerGzipType;
    case oci::Compression::zstd:
      return oci::kLayerZstdType;
    default:
      return oci::kLayerType;
  }
}

class Distributor {
 public:
  Distributor(const fs::path& directory, const store::Store& store, const DistributeOptions& options)
      : directory_(directory), store_(store), options_(options) {}

  DistributeReport run() {
    const fs::path file = directory_ / "image.json";
    const auto text = read_file_if_exists(file);
    if (!text)
      throw Error("cannot find the image plan",
                  {.where = file.native(), .hint = "build the image first: bottle-image build"});
    const Plan plan = Plan::parse(*text, file.native());
    std::vector<oci::Descriptor> layers;
    Json diff_ids = Json::array();
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
      check_interrupted();
      const PlanLayer& layer = plan.layers[i];
      oci::Descriptor descriptor;
      if (layer.blob && layer.diff_id) {
        descriptor = {.media_type = oci::oci_media_type(layer.blob_media_type),
                      .digest = *layer.blob,
                      .size = layer.blob_size};
        diff_ids.push_back(layer.diff_id->string());
        ++result_.layers_as_they_are;
        LoadedPlan places;
        places.directory = directory_;
        add_file(descriptor, places.find_blob(descriptor.digest, store_));
      } else {
        const CompressedLayer made = compressed(layer, i);
        descriptor = {.media_type = std::string(media_type(options_.compression)),
                      .digest = made.blob.digest,
                      .size = made.blob.size};
        diff_ids.push_back(made.diff_id.string());
        add_file(descriptor, store_.find_blob(descriptor.digest));
      }
      layers.push_back(std::move(descriptor));
    }
    add_manifest(plan, layers, diff_ids);
    return std::move(result_);
  }

 private:
  void add_file(const oci::Descriptor& blob, const std::optional<fs::path>& path) {
    if (!path)
      throw oci::DamageError(
          oci::Damage::blob,
          "the layer blob " + blob.digest.string() + " is neither in the build directory nor in the store",
          {.where = store_.directory().native(),
           .hint = "build the image again, which fetches the layer: bottle-image build"});
    result_.source.add_blob(
        blob,
        {.open =
             [path = *path, size = blob.size] {
               auto opened = std::make_shared<Fd>(open_for_reading(path));
               const auto found = static_cast<std::uint64_t>(stat_of(opened->get(), path.native()).st_size);
               if (found != size)
                 throw oci::DamageError(
                     oci::Damage::blob,
                     "expected " + std::to_string(size) + " bytes, found " + std::to_string(found),
                     {.where = path.native()});
               return oci::FileRange{
                   .file = std::move(opened), .offset = 0, .size = size, .name = path.native()};
             },
         .bytes = {}},
        [store = store_, digest = blob.digest](const std::string& registry) {
          return registry::blob_sources(store, digest, registry);
        });
  }

  void add_manifest(const Plan& plan, const std::vector<oci::Descriptor>& layers, const Json& diff_ids) {
    Json config = parse_json(plan.config, "image plan: configuration");
    config["rootfs"] = {{"type", "layers"}, {"diff_ids", diff_ids}};
    const std::string config_text = config.dump();
    const oci::Descriptor config_descriptor{.media_type = std::string(oci::kConfigType),
                                            .digest = sha256(config_text),
                                            .size = config_text.size()};
    result_.source.add_blob(config_descriptor, {.open = {}, .bytes = config_text});
    result_.image_id = config_descriptor.digest;
    result_.platform = oci::parse_config(config_text, "image plan: configuration").platform;
    registry::ManifestToPush manifest;
    manifest.bytes = oci::image_manifest(config_descriptor, layers);
    manifest.descriptor = {.media_type = std::string(oci::kManifestType),
                           .digest = sha256(manifest.bytes),
                           .size = manifest.bytes.size()};
    manifest.blobs.push_back(config_descriptor.digest);
    for (const oci::Descriptor& layer : layers)
      manifest.blobs.push_back(layer.digest);
    result_.source.manifests.push_back(std::move(manifest));
  }

  CompressedLayer compressed(const PlanLayer& layer, std::size_t number) {
    const Digest key =
        sha256("compressed layer/1\nlayer " + layer.digest.hex() + "\nalgorithm " +
               oci::to_string(options_.compression) + "\nlevel " + std::to_string(options_.level) +
               "\ncompressor " + oci::compressor_identity(options_.compression) + "\n");
    const store::Store::Lookup found = store_.find_action(key);
    if (found.presence == store::Presence::present) {
      const auto blob = found.result->outputs.find(kBlobName);
      const auto text = found.result->facts.find(kDiffId);
      const auto diff_id = text != found.result->facts.end() ? Digest::parse(text->second) : std::nullopt;
      if (blob != found.result->outputs.end() && diff_id) {
        ++result_.layers_stored;
        return {*diff_id, blob->second};
      }
      store_.drop_damaged_action(key, "expected a layer and its diff ID");
    }
    const auto begun = std::chrono::steady_clock::now();
    if (!loaded_) {
      loaded_ = load_plan(directory_);
      reader_.emplace(loaded_->reader(store_));
    }
    // Context roots of a layer from another bottle are known under their scope.
    oci::LayerIndex scoped = loaded_->layers.at(number);
    for (std::string& root : scoped.roots)
      if (!root.starts_with("blob:")) root = layer.scope + root;
    store::Store::Writer writer(store_);
    Sha256 hasher;
    oci::Compressor compressor(options_.compression, options_.level, options_.threads,
                               [&](std::span<const std::byte> data) { writer.write(data); });
    oci::write_layer_tar(scoped, *reader_, "layer " + std::to_string(number + 1),
                         [&](std::span<const std::byte> data) {
                           check_interrupted();
                           hasher.update(data);
                           compressor.write(data);
                         });
    compressor.finish();
    CompressedLayer made{hasher.finish(), writer.commit()};
    store::ActionResult action;
    action.kind = "compressed layer";
    action.label = "layer " + std::to_string(number + 1) + " of " + directory_.filename().native() + ", " +
                   oci::to_string(options_.compression);
    action.outputs[kBlobName] = made.blob;
    action.facts[kDiffId] = made.diff_id.string();
    action.tool_version = BOTTLE_VERSION;
    action.milliseconds = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun)
            .count());
    store_.put_action(key, action);
    ++result_.layers_compressed;
    return made;
  }

  fs::path directory_;
  const store::Store& store_;
  DistributeOptions options_;
  DistributeReport result_;
  std::optional<LoadedPlan> loaded_;
  std::optional<oci::ContentReader> reader_;
};

}  // namespace

DistributeReport distribute(const fs::path& directory, const store::Store& store,
                            const DistributeOptions& options) {
  return Distributor(directory, store, options).run();
}

}  // namespace bottle::image
