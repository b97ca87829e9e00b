// SPDX-License-Identifier: Apache-2.0
#include "oci/image_source.hpp"

#include <algorithm>
#include <utility>

#include "oci/image_files.hpp"
#include "oci/index_choice.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr const char* kLayoutHint =
    "choose one by its tag or digest: oci-layout:DIR:TAG or oci-layout:DIR@DIGEST";

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "nothing" : text;
}

// What the image is called in the index; "" if it is not.
std::string ref_name(const Descriptor& descriptor) {
  for (const char* key : {"org.opencontainers.image.ref.name", "io.containerd.image.name"}) {
    const auto found = descriptor.annotations.find(key);
    if (found != descriptor.annotations.end()) return found->second;
  }
  return {};
}

// The same for messages, else its digest.
std::string label(const Descriptor& descriptor) {
  std::string name = ref_name(descriptor);
  if (!name.empty()) return name;
  return descriptor.unsupported_digest.empty() ? descriptor.digest.string() : descriptor.unsupported_digest;
}

bool is_called(const Descriptor& descriptor, std::string reference) {
  // Of "tag@digest" the digest decides.
  if (const std::size_t at = reference.rfind('@'); at != std::string::npos) reference.erase(0, at + 1);
  if (!descriptor.digest.empty() && descriptor.digest.string() == reference) return true;
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
    const std::string place = files_.name() + ": index.json";
    std::vector<Descriptor> named;
    std::vector<std::string> names;
    for (Descriptor& descriptor : parse_index(files_.read("index.json", kMaximumManifest), place)) {
      if (is_attestation(descriptor)) continue;
      names.push_back(label(descriptor));
      if (selection_.reference.empty() || is_called(descriptor, selection_.reference))
        named.push_back(std::move(descriptor));
    }
    if (named.empty())
      throw Error(selection_.reference.empty() ? "the index of the layout lists no image"
                                               : "no image has the name \"" + selection_.reference +
                                                     "\"; the layout holds " + join(names),
                  {.where = files_.name(), .hint = kLayoutHint});
    // An image that stands alone is taken for what it is, unless a platform was asked for.
    if (named.size() == 1 && !named[0].platform && !selection_.platform &&
        is_manifest_type(named[0].media_type))
      return named[0];
    const ReadDocument read = [&](const Descriptor& descriptor) -> std::optional<std::string> {
      return files_.read_blob(descriptor, is_image_document(descriptor) ? kMaximumManifest : kMaximumConfig);
    };
    std::vector<Match> matches;
    for (const Descriptor& entry : named)
      if (auto image = choose_image({entry}, wanted_, read, place)) {
        const std::size_t rank = match_rank(*image->platform, wanted_).value_or(0);
        matches.push_back({ref_name(entry), std::move(*image), rank});
      }
    if (matches.empty())
      throw Error("no image for the platform " + wanted_.string() + "; the layout holds " +
                      platform_names(list_images(named, read, place)),
                  {.where = files_.name()});
    const auto best = std::min_element(matches.begin(), matches.end(),
                                       [](const Match& a, const Match& b) { return a.rank < b.rank; });
    refuse_several(matches, *best, names);
    return best->image;
  }

 private:
  struct Match {
    std::string name;
    Descriptor image;
    std::size_t rank = 0;
  };

  static bool is_image_document(const Descriptor& descriptor) {
    return is_manifest_type(descriptor.media_type) || is_index_type(descriptor.media_type);
  }

  // Entries may be one image for several platforms, or several images: then they are called differently, or
  // match equally well.
  void refuse_several(const std::vector<Match>& matches, const Match& best,
                      const std::vector<std::string>& names) const {
    std::vector<Digest> others;
    for (const Match& match : matches)
      if (match.image.digest != best.image.digest && (match.name != best.name || match.rank == best.rank) &&
          std::find(others.begin(), others.end(), match.image.digest) == others.end())
        others.push_back(match.image.digest);
    if (!others.empty())
      throw Error("the layout holds " + std::to_string(others.size() + 1) + " images for " +
                      wanted_.string() + ": " + join(names),
                  {.where = files_.name(), .hint = kLayoutHint});
  }

  const ImageFiles& files_;
  const ImageSelection& selection_;
  Platform wanted_;
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
    throw Error(
        "expected an image, found an artifact: its configuration is of type " + manifest.config.media_type,
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
      "not an image archive: it holds neither index.json (OCI layout) nor manifest.json (docker save)",
      {.where = file.native()});
}

}  // namespace bottle::oci
