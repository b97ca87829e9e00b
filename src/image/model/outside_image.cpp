// SPDX-License-Identifier: Apache-2.0
#include "image/model/outside_image.hpp"

#include "image/model/stored_layer.hpp"
#include "oci/image_source.hpp"
#include "util/error.hpp"
#include "util/parallel.hpp"

namespace bottle::image {
inline namespace model {
namespace {

// The image of another bottle, as its build directory holds it.
class BottleImage : public OutsideImage {
 public:
  explicit BottleImage(const ContextSpec& context)
      : context_(context), loaded_(LoadedPlan::in_scope(load_plan(context.value), context.name)) {}

  const std::string& config() const override { return loaded_.plan.config; }
  std::string name() const override { return (context_.value / "image.json").native(); }
  std::string identity() const override { return "plan " + loaded_.plan.digest().string(); }
  // Layers made from it repeat them.
  std::string places() const override {
    Sha256 places;
    for (std::size_t i = 0; i < loaded_.layers.size(); ++i)
      places.update(loaded_.plan.layers[i].scope + "\n" + loaded_.layers[i].digest_with_places().hex() +
                    "\n");
    return places.finish().hex();
  }
  const LoadedPlan* plan() const override { return &loaded_; }
  std::vector<fs::path> dependencies() const override { return {context_.value / "image.json"}; }
  std::map<std::string, fs::path> context_roots() const override { return loaded_.context_roots; }
  std::vector<fs::path> blob_directories() const override { return loaded_.blob_directories; }
  LoadedPlan load(const store::Store&) const override { return loaded_; }

 private:
  ContextSpec context_;
  LoadedPlan loaded_;
};

// An image layout or archive.
class FileImage : public OutsideImage {
 public:
  FileImage(const ContextSpec& context, const oci::Platform& platform)
      : context_(context), source_(open(context, platform)) {}

  const std::string& config() const override { return source_.config; }
  std::string name() const override { return context_.value.native() + ": configuration"; }
  std::string identity() const override { return "image " + source_.identity().string(); }
  std::vector<fs::path> dependencies() const override {
    // All else in a layout is named by its digest.
    return {context_.kind == ContextKind::oci_layout && fs::is_directory(context_.value)
                ? context_.value / "index.json"
                : context_.value};
  }
  std::optional<std::vector<Digest>> diff_ids() const override {
    std::vector<Digest> ids;
    for (const oci::SourceLayer& layer : source_.layers)
      ids.push_back(layer.diff_id);
    return ids;
  }

  LoadedPlan load(const store::Store& store) const override {
    LoadedPlan loaded;
    loaded.plan.config = source_.config;
    loaded.layers.resize(source_.layers.size());
    loaded.plan.layers.resize(source_.layers.size());
    parallel_for(source_.layers.size(), default_threads(), [&](std::size_t i) {
      const oci::SourceLayer& layer = source_.layers[i];
      StoredLayer stored = import_layer(layer, store);
      loaded.plan.layers[i] = stored.plan_layer(layer.diff_id, layer.media_type);
      loaded.layers[i] = std::move(stored.index.index);
    });
    return loaded;
  }

 private:
  static oci::ImageSource open(const ContextSpec& context, const oci::Platform& platform) {
    const oci::ImageSelection selection{.reference = context.reference, .platform = platform};
    const bool is_directory = fs::is_directory(context.value);
    if (context.kind == ContextKind::oci_layout && !is_directory && !fs::exists(context.value))
      throw Error("no such image layout",
                  {.where = context.value.native(),
                   .hint = "name a directory with oci-layout, index.json and blobs/"});
    return is_directory ? oci::open_layout(context.value, selection)
                        : oci::open_archive(context.value, selection);
  }

  ContextSpec context_;
  oci::ImageSource source_;
};

}  // namespace

std::unique_ptr<OutsideImage> open_outside(const ContextSpec& context, const oci::Platform& platform) {
  switch (context.kind) {
    case ContextKind::bottle:
      return std::make_unique<BottleImage>(context);
    case ContextKind::oci_layout:
    case ContextKind::docker_archive:
      return std::make_unique<FileImage>(context, platform);
    case ContextKind::image:
    case ContextKind::remote:
      throw Error("the context \"" + context.name + "\" must come from the lock",
                  {.where = context.reference});
    default:
      throw Error("the context \"" + context.name + "\" is a directory of files, not an image",
                  {.where = context.value.native(), .hint = "copy from it with COPY --from=" + context.name});
  }
}

}  // namespace model
}  // namespace bottle::image
