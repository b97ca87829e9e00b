#include "oci/image_source.hpp"

#include <algorithm>
#include <utility>

#include "oci/image_files.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr int kMaximumNesting = 4;
constexpr std::size_t kMaximumDescriptors = 10'000;
constexpr const char* kLayoutHint =
    "name one with the part after the colon of the reference, or by its digest";

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "nothing" : text;
}

// BuildKit puts attestations beside images, as manifests for no platform.
bool is_attestation(const Descriptor& descriptor) {
  const auto type = descriptor.annotations.find("vnd.docker.reference.type");
  return (type != descriptor.annotations.end() && type->second == "attestation-manifest") ||
         (descriptor.platform && descriptor.platform->os == "unknown");
}

// What the image is called in the index: its annotations, else its digest.
std::string label(const Descriptor& descriptor) {
  for (const char* key : {"org.opencontainers.image.ref.name", "io.containerd.image.name"}) {
    const auto found = descriptor.annotations.find(key);
    if (found != descriptor.annotations.end()) return found->second;
  }
  return descriptor.digest.string();
}

bool is_called(const Descriptor& descriptor, const std::string& reference) {
  if (descriptor.digest.string() == reference) return true;
  for (const char* key : {"org.opencontainers.image.ref.name", "io.containerd.image.name"}) {
    const auto found = descriptor.annotations.find(key);
    // "docker.io/library/hello:1" is also "hello:1".
    if (found != descriptor.annotations.end() &&
        (found->second == reference || found->second == "docker.io/" + reference ||
         found->second == "docker.io/library/" + reference))
      return true;
  }
  return false;
}

// Finds the one manifest that a selection means.
class Selector {
 public:
  Selector(const ImageFiles& files, const ImageSelection& selection)
      : files_(files),
        selection_(selection),
        wanted_(selection.platform ? *selection.platform : host_platform()) {}

  Descriptor select() {
    const std::vector<Descriptor> top =
        parse_index(files_.read("index.json", kMaximumManifest), files_.name() + ": index.json");
    std::vector<Descriptor> picks;
    std::vector<std::string> names;
    for (const Descriptor& descriptor : top) {
      if (is_attestation(descriptor)) continue;
      names.push_back(label(descriptor));
      if (!selection_.reference.empty() && !is_called(descriptor, selection_.reference)) continue;
      named_ = true;
      const auto pick = select_below(descriptor, 0);
      if (pick && std::none_of(picks.begin(), picks.end(),
                               [&](const Descriptor& other) { return other.digest == pick->digest; }))
        picks.push_back(*pick);
    }
    if (picks.size() == 1) return picks.front();
    if (picks.size() > 1)
      throw Error("the layout holds " + std::to_string(picks.size()) + " images for " + wanted_.string() +
                      ": " + join(names),
                  {.where = files_.name(), .hint = kLayoutHint});
    if (!named_)
      throw Error(selection_.reference.empty()
                      ? "the layout's index names no image"
                      : "no image is called \"" + selection_.reference + "\"; there is " + join(names),
                  {.where = files_.name()});
    throw Error("no image for the platform " + wanted_.string() + "; there is " + join(platforms_),
                {.where = files_.name()});
  }

 private:
  // The first manifest that serves the platform, in the order of the index (image-index.md: "the first
  // matching entry SHOULD be used").
  std::optional<Descriptor> select_below(const Descriptor& descriptor, int depth) {
    if (++seen_ > kMaximumDescriptors)
      throw Error("more than 10000 descriptors in the layout's indexes", {.where = files_.name()});
    if (is_attestation(descriptor)) return std::nullopt;
    if (is_manifest_type(descriptor.media_type)) {
      const Platform platform = descriptor.platform ? *descriptor.platform : platform_of(descriptor, depth);
      if (platform.serves(wanted_)) return descriptor;
      if (std::find(platforms_.begin(), platforms_.end(), platform.string()) == platforms_.end())
        platforms_.push_back(platform.string());
      return std::nullopt;
    }
    if (!is_index_type(descriptor.media_type)) {
      platforms_.push_back("a " + descriptor.media_type);
      return std::nullopt;
    }
    if (depth >= kMaximumNesting)
      throw Error("indexes nested deeper than " + std::to_string(kMaximumNesting) + " levels",
                  {.where = files_.name()});
    for (const Descriptor& child : parse_index(files_.read_blob(descriptor, kMaximumManifest),
                                               files_.name() + ": " + descriptor.digest.string()))
      if (auto found = select_below(child, depth + 1)) return found;
    return std::nullopt;
  }

  // Without a platform in the descriptor the configuration knows it. An image that stands alone at the top is
  // taken for what it is, unless a platform was asked for.
  Platform platform_of(const Descriptor& descriptor, int depth) const {
    if (depth == 0 && !selection_.platform) return wanted_;
    const Manifest manifest = parse_manifest(files_.read_blob(descriptor, kMaximumManifest),
                                             files_.name() + ": " + descriptor.digest.string());
    return parse_config(files_.read_blob(manifest.config, kMaximumConfig),
                        files_.name() + ": " + manifest.config.digest.string())
        .platform;
  }

  const ImageFiles& files_;
  const ImageSelection& selection_;
  Platform wanted_;
  bool named_ = false;
  std::size_t seen_ = 0;
  std::vector<std::string> platforms_;
};

}  // namespace

ImportedLayer SourceLayer::import(const Sink& uncompressed, const Sink& compressed,
                                  const KeepContent& keep) const {
  Source source = blob.source();
  const Source tee = [&](std::span<std::byte> data) {
    const std::size_t count = source(data);
    if (compressed) compressed(data.first(count));
    return count;
  };
  return import_layer(
      tee, blob.name,
      {.digest = digest, .size = size, .diff_id = diff_id, .maximum_ratio = ratio_bound(), .keep = keep},
      uncompressed);
}

ImageSource read_layout(const ImageFiles& files, const ImageSelection& selection) {
  check_layout_file(files.read("oci-layout", 4096), files.name() + ": oci-layout");
  ImageSource image;
  image.manifest = Selector(files, selection).select();
  const std::string manifest_name = files.name() + ": manifest " + image.manifest->digest.string();
  const Manifest manifest = parse_manifest(files.read_blob(*image.manifest, kMaximumManifest), manifest_name);
  if (oci_media_type(manifest.config.media_type) != kConfigType)
    throw Error("this is an artifact, not an image: its configuration is a " + manifest.config.media_type,
                {.where = manifest_name});
  image.config_digest = manifest.config.digest;
  image.config = files.read_blob(manifest.config, kMaximumConfig);
  const std::string config_name = files.name() + ": config " + image.config_digest.string();
  const ConfigFacts facts = parse_config(image.config, config_name);
  image.platform = facts.platform;
  if (facts.diff_ids.size() != manifest.layers.size())
    throw Error("the configuration lists " + std::to_string(facts.diff_ids.size()) +
                    " diff IDs, the manifest " + std::to_string(manifest.layers.size()) + " layers",
                {.where = config_name});
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    const Descriptor& descriptor = manifest.layers[i];
    if (!is_layer_type(descriptor.media_type))
      throw Error("layer " + std::to_string(i + 1) + " is a " + descriptor.media_type +
                      ", not a tar (plain, gzip or zstd)",
                  {.where = manifest_name});
    image.layers.push_back({descriptor.media_type, descriptor.digest, descriptor.size, facts.diff_ids[i],
                            files.find_blob(descriptor.digest, descriptor.size)});
  }
  return image;
}

ImageSource open_layout(const fs::path& directory, const ImageSelection& selection) {
  return read_layout(*directory_files(directory), selection);
}

ImageSource open_archive(const fs::path& file, const ImageSelection& selection) {
  const auto files = tar_files(file);
  // Since version 25 `docker save` writes both forms; the layout says more.
  if (files->find("oci-layout") && files->find("index.json")) return read_layout(*files, selection);
  if (files->find("manifest.json")) return read_docker_archive(*files, selection);
  throw Error(
      "this is no image archive: neither index.json (OCI layout) nor manifest.json (docker save) is in it",
      {.where = file.native()});
}

}  // namespace bottle::oci
