// SPDX-License-Identifier: Apache-2.0
// The old form of `docker save`: manifest.json lists images with the paths of their configuration and layer
// tars.
// Source: Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".
#include <algorithm>
#include <array>
#include <utility>

#include "oci/decompress.hpp"
#include "oci/go_json.hpp"
#include "oci/image_files.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

constexpr std::array<Member, 3> kImageMembers{
    {{"Config", MemberType::string}, {"RepoTags", MemberType::strings}, {"Layers", MemberType::strings}}};

// "hello" means "hello:latest", and "docker.io/library/hello:1" is "hello:1".
std::string familiar(std::string reference) {
  for (const std::string_view prefix : {"docker.io/library/", "docker.io/"})
    if (reference.starts_with(prefix)) {
      reference.erase(0, prefix.size());
      break;
    }
  const std::size_t slash = reference.rfind('/');
  if (reference.find(':', slash == std::string::npos ? 0 : slash) == std::string::npos)
    reference += ":latest";
  return reference;
}

JsonView select(const JsonView& document, const ImageSelection& selection, const std::string& name) {
  const std::vector<JsonView> images = document.elements();
  std::string tags;
  std::vector<JsonView> matching;
  for (const JsonView& image : images) {
    bool named = selection.reference.empty();
    for (const std::string& tag : image.strings_or_empty("RepoTags")) {
      tags += (tags.empty() ? "" : ", ") + tag;
      named = named || familiar(tag) == familiar(selection.reference);
    }
    if (named) matching.push_back(image);
  }
  if (matching.size() == 1) return matching.front();
  if (tags.empty()) tags = "only images without a tag";
  if (matching.empty())
    throw Error(images.empty()
                    ? "the archive holds no image"
                    : "no image has the tag \"" + selection.reference + "\"; the archive holds " + tags,
                {.where = name});
  throw Error("the archive holds " + std::to_string(matching.size()) + " images: " + tags,
              {.where = name, .hint = "choose one by its tag: docker-archive:FILE:TAG"});
}

std::string media_type_of(const FileRange& file) {
  std::array<std::byte, 10> head{};
  const std::size_t count = pread_some(
      file.file->get(),
      std::span(head).first(static_cast<std::size_t>(std::min<std::uint64_t>(head.size(), file.size))),
      file.offset, file.name);
  switch (detect_compression(std::span<const std::byte>(head).first(count))) {
    case Compression::none:
      return std::string(kLayerType);
    case Compression::gzip:
      return std::string(kLayerGzipType);
    case Compression::zstd:
      return std::string(kLayerZstdType);
    default:
      throw Error("unsupported compression of a layer: expected none, gzip or zstd", {.where = file.name});
  }
}

}  // namespace

ImageSource read_docker_archive(const ImageFiles& files, const ImageSelection& selection) {
  const std::string name = files.name() + ": manifest.json";
  const Json document =
      parse_go_json(files.read("manifest.json", kMaximumManifest),
                    {.name = "", .type = MemberType::objects, .members = kImageMembers}, name);
  const JsonView image_json = select(JsonView(document, name + "#"), selection, name);

  ImageSource image;
  const std::string config_path = image_json.at("Config").string();
  image.config = files.read(config_path, kMaximumConfig);
  image.config_digest = sha256(image.config);
  const std::string config_name = files.name() + ": " + escape_word(config_path);
  // The file is called "<hex>.json" or "blobs/sha256/<hex>": the only thing that can be checked about it.
  std::string stem(base_name(config_path));
  if (stem.ends_with(".json")) stem.resize(stem.size() - 5);
  if (const auto expected = Digest::from_hex(stem); expected && *expected != image.config_digest)
    throw Error("the configuration does not match the digest in its name: expected " + expected->string() +
                    ", found " + image.config_digest.string(),
                {.where = config_name, .hint = "fetch the image again: it is damaged or was altered"});
  const ConfigFacts facts = parse_config(image.config, config_name);
  image.platform = facts.platform;
  if (selection.platform && !match_rank(facts.platform, *selection.platform))
    throw Error("no image for the platform " + selection.platform->string() + "; the archive is for " +
                    facts.platform.string(),
                {.where = files.name()});

  const std::vector<std::string> layers = image_json.strings_or_empty("Layers");
  if (facts.diff_ids.size() != layers.size())
    throw Error("the configuration lists " + std::to_string(facts.diff_ids.size()) +
                    " diff IDs, manifest.json " + std::to_string(layers.size()) + " layers",
                {.where = config_name});
  for (std::size_t i = 0; i < layers.size(); ++i) {
    auto file = files.find(layers[i]);
    if (!file)
      throw Error("the layer \"" + escape_word(layers[i]) + "\" is missing",
                  {.where = files.name(), .hint = "fetch the image again: it is damaged or incomplete"});
    SourceLayer layer;
    layer.media_type = media_type_of(*file);
    layer.size = file->size;
    layer.diff_id = facts.diff_ids[i];
    layer.blob = std::move(*file);
    image.layers.push_back(std::move(layer));
  }
  return image;
}

}  // namespace bottle::oci
