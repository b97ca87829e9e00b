// SPDX-License-Identifier: Apache-2.0
#include "registry/sources.hpp"

#include <functional>
#include <set>

#include "oci/image_files.hpp"
#include "registry/manifest_type.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::size_t kMaximumManifests = 10'000;
constexpr int kMaximumDepth = 4;
constexpr const char* kBaseName = "org.opencontainers.image.base.name";

// Gathers a tree of manifests, what is named first.
class Gatherer {
 public:
  using Read = std::function<FetchedManifest(const oci::Descriptor&)>;
  using Open = std::function<BlobContent(const oci::Descriptor&)>;

  Gatherer(Read read, Open open) : read_(std::move(read)), open_(std::move(open)) {}

  void add(const oci::Descriptor& descriptor, const FetchedManifest& manifest, const std::string& where,
           int depth = 0) {
    if (!seen_.insert(manifest.digest).second) return;
    if (seen_.size() > kMaximumManifests || depth > kMaximumDepth)
      throw Error("more than " + std::to_string(kMaximumManifests) +
                      " manifests, or indexes nested deeper than " + std::to_string(kMaximumDepth),
                  {.where = where});
    ManifestToPush item;
    item.descriptor = descriptor;
    item.descriptor.media_type = manifest.media_type;
    item.descriptor.digest = manifest.digest;
    item.descriptor.size = manifest.bytes.size();
    item.bytes = manifest.bytes;
    if (oci::is_index_type(manifest.media_type)) {
      for (const oci::Descriptor& child : oci::parse_index(manifest.bytes, where))
        add(child, read_(oci::require_digest(child, where)), where, depth + 1);
    } else {
      const oci::Manifest parsed = oci::parse_manifest(manifest.bytes, where);
      add_blob(item, parsed.config);
      for (const oci::Descriptor& layer : parsed.layers)
        add_blob(item, layer);
      source.base_name = manifest_details(manifest.bytes, where).annotations[kBaseName];
    }
    source.manifests.push_back(std::move(item));
  }

  PushSource source;

 private:
  void add_blob(ManifestToPush& manifest, const oci::Descriptor& blob) {
    BlobContent content = open_(blob);
    // Layers that may not be distributed are where their URLs say, not in registries.
    if (!content.open && content.bytes.empty() && blob.size > 0) return;
    source.add_blob(blob, std::move(content));
    manifest.blobs.push_back(blob.digest);
  }

  Read read_;
  Open open_;
  std::set<Digest> seen_;
};

bool is_foreign(const oci::Descriptor& blob) {
  return blob.media_type.find("nondistributable") != std::string::npos ||
         blob.media_type.find("foreign") != std::string::npos;
}

oci::Descriptor choose(const std::vector<oci::Descriptor>& list, const std::string& name,
                       const std::string& where) {
  const oci::Descriptor* found = nullptr;
  std::size_t matches = 0;
  std::string names;
  for (const oci::Descriptor& one : list) {
    const auto ref = one.annotations.find(std::string(oci::kRefNameAnnotation));
    const std::string own = ref != one.annotations.end() ? ref->second : one.digest.string();
    names += (names.empty() ? "" : ", ") + escape_word(own);
    if (!name.empty() && own != name && one.digest.string() != name) continue;
    if (found != nullptr && found->digest == one.digest) continue;
    found = &one;
    ++matches;
  }
  if (matches != 1)
    throw Error(name.empty() ? "expected one image in the layout, found " + std::to_string(list.size())
                             : "expected one image with the name \"" + escape_word(name) +
                                   "\" in the layout, found " + std::to_string(matches),
                {.where = where, .hint = "choose one with --image: " + names});
  return oci::require_digest(*found, where);
}

}  // namespace

PushSource layout_source(const fs::path& layout, const std::string& name) {
  const std::shared_ptr<oci::ImageFiles> files =
      fs::is_directory(layout) ? oci::directory_files(layout) : oci::tar_files(layout);
  const std::string& where = layout.native();
  oci::check_layout_file(files->read("oci-layout", 4096), where + "/oci-layout");
  const auto list = oci::parse_index(files->read("index.json", oci::kMaximumManifest), where + "/index.json");
  const oci::Descriptor chosen = choose(list, name, where + "/index.json");
  const auto read = [&](const oci::Descriptor& descriptor) {
    FetchedManifest manifest{.digest = descriptor.digest,
                             .media_type = {},
                             .bytes = files->read_blob(descriptor, oci::kMaximumManifest)};
    manifest.media_type =
        manifest_type(manifest.bytes, descriptor.media_type, where + ": " + descriptor.digest.string());
    return manifest;
  };
  Gatherer gatherer(read, [&](const oci::Descriptor& blob) -> BlobContent {
    if (is_foreign(blob) && !files->find("blobs/sha256/" + blob.digest.hex())) return {};
    files->find_blob(blob.digest, blob.size);  // complains before anything is moved
    return {.open = [files, blob] { return files->find_blob(blob.digest, blob.size); }, .bytes = {}};
  });
  gatherer.add(chosen, read(chosen), where);
  gatherer.source.manifests.back().descriptor.annotations.clear();
  return std::move(gatherer.source);
}

PushSource registry_source(const Client& client, const oci::Reference& reference, const store::Store& store,
                           const std::optional<oci::Platform>& platform) {
  const FetchedManifest root =
      platform ? client.get_image_manifest(reference, *platform) : client.get_manifest(reference);
  const oci::Reference repository = reference.with_digest(root.digest);
  Gatherer gatherer(
      [&](const oci::Descriptor& descriptor) {
        return client.get_manifest(reference.with_digest(descriptor.digest));
      },
      [&](const oci::Descriptor& blob) -> BlobContent {
        if (is_foreign(blob)) return {};
        return {.open =
                    [&client, repository, store, blob] {
                      client.get_blob(repository, blob, store);
                      const fs::path path = store.blob_path(blob.digest);
                      return oci::FileRange{.file = std::make_shared<Fd>(open_for_reading(path)),
                                            .offset = 0,
                                            .size = blob.size,
                                            .name = path.native()};
                    },
                .bytes = {}};
      });
  gatherer.add({}, root, reference.string());
  gatherer.source.mount_from = {};
  return std::move(gatherer.source);
}

}  // namespace bottle::registry
