// SPDX-License-Identifier: Apache-2.0
#include "image/remote/image.hpp"

#include <algorithm>

#include "image/model/stored_index.hpp"
#include "image/model/stored_layer.hpp"
#include "oci/index_choice.hpp"
#include "registry/blob_sources.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/parallel.hpp"

namespace bottle::image::remote {
namespace {

using oci::Reference;

constexpr const char* kDocumentSchema = "bottle-manifest 1";
constexpr const char* kConfigSchema = "bottle-image-config 1";
constexpr std::size_t kDownloads = 4;  // layers at once

Digest action_key(const char* schema, const Digest& digest) {
  return sha256(std::string(schema) + "\ndigest = " + digest.hex() + "\n");
}

std::optional<std::string> find_kept(const char* schema, const Digest& digest, const store::Store& store,
                                     std::string* media_type = nullptr) {
  const auto lookup = store.find_action(action_key(schema, digest));
  if (!lookup.result) return std::nullopt;
  if (media_type != nullptr) {
    const auto type = lookup.result->facts.find("mediaType");
    if (type == lookup.result->facts.end()) return std::nullopt;
    *media_type = type->second;
  }
  return read_stored(digest, store);
}

std::string fetch_config(const Reference& reference, const oci::Descriptor& config, const store::Store& store,
                         const RemoteAccess& access) {
  if (auto kept = find_kept(kConfigSchema, config.digest, store)) return std::move(*kept);
  std::string text = access.client().read_blob(reference, config, oci::kMaximumConfig);
  keep_config(config.digest, text, reference.string(), store);
  return text;
}

// What the specification's lists of operating systems and architectures are made of.
bool is_lockable(const oci::Platform& platform) {
  const auto is_word = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
             c == '.' || c == '-';
    });
  };
  return !platform.os.empty() && !platform.architecture.empty() && is_word(platform.os) &&
         is_word(platform.architecture) && is_word(platform.variant);
}

LockedManifest locked(const Digest& digest, const StoredDocument& document) {
  return {.digest = digest, .media_type = document.media_type, .size = document.text.size()};
}

// The documents that an index names, from the store or the registry.
oci::ReadDocument reader(const Reference& reference, const store::Store& store, const RemoteAccess& access) {
  return [&](const oci::Descriptor& descriptor) -> std::optional<std::string> {
    if (oci::is_manifest_type(descriptor.media_type) || oci::is_index_type(descriptor.media_type))
      return fetch_document(reference.with_digest(descriptor.digest), store, access).text;
    return fetch_config(reference, descriptor, store, access);
  };
}

// What a document that a registry gave for `reference` says of platforms.
LockedImage describe(const Reference& reference, const Digest& digest, const StoredDocument& document,
                     const store::Store& store, const RemoteAccess& access) {
  const std::string name = reference.string();
  LockedImage image{.tag = reference.tag};
  if (oci::is_index_type(document.media_type)) {
    image.index = locked(digest, document);
    image.platforms = platforms_of(document, name, reader(reference, store, access));
    if (image.platforms.empty()) throw Error("the index lists no image", {.where = name});
    return image;
  }
  if (!oci::is_manifest_type(document.media_type))
    throw Error("expected an image or an index of images, found the type " + document.media_type,
                {.where = name});
  const oci::Manifest manifest = oci::parse_manifest(document.text, name);
  if (oci::oci_media_type(manifest.config.media_type) != oci::kConfigType)
    throw Error(
        "expected an image, found an artifact: its configuration is of type " + manifest.config.media_type,
        {.where = name});
  const std::string config = fetch_config(reference, manifest.config, store, access);
  const oci::Platform platform = oci::parse_config(config, name + ": configuration").platform;
  if (!is_lockable(platform))
    throw Error("unsupported platform in the image's configuration: \"" + platform.string() + "\"",
                {.where = name});
  image.platforms.emplace(platform.string(), locked(digest, document));
  return image;
}

class RegistryImage : public OutsideImage {
 public:
  RegistryImage(const Reference& reference, const Digest& digest, const store::Store& store,
                std::shared_ptr<const RemoteAccess> access)
      : reference_(reference.with_digest(digest)), access_(std::move(access)) {
    Reference named = reference_;
    named.other_digest = reference.other_digest;
    const StoredDocument document = fetch_document(named, store, *access_);
    manifest_ = oci::parse_manifest(document.text, name());
    if (oci::oci_media_type(manifest_.config.media_type) != oci::kConfigType)
      throw Error(
          "expected an image, found an artifact: its configuration is of type " + manifest_.config.media_type,
          {.where = name()});
    config_ = fetch_config(reference_, manifest_.config, store, *access_);
    diff_ids_ = oci::parse_config(config_, name() + ": configuration").diff_ids;
    if (diff_ids_.size() != manifest_.layers.size())
      throw Error("the configuration lists " + std::to_string(diff_ids_.size()) + " diff IDs, the manifest " +
                      std::to_string(manifest_.layers.size()) + " layers",
                  {.where = name()});
    for (std::size_t i = 0; i < manifest_.layers.size(); ++i)
      if (!oci::is_layer_type(manifest_.layers[i].media_type))
        throw Error("layer " + std::to_string(i + 1) + " is a " + manifest_.layers[i].media_type +
                        ", not a tar (plain, gzip or zstd)",
                    {.where = name()});
  }

  const std::string& config() const override { return config_; }
  std::string name() const override { return reference_.string(); }
  std::string identity() const override { return "image " + reference_.digest->string(); }
  std::vector<fs::path> dependencies() const override { return {}; }  // the lock's, which names the image
  std::optional<std::vector<Digest>> diff_ids() const override { return diff_ids_; }
  std::vector<Digest> actions() const override {
    std::vector<Digest> keys{document_action(*reference_.digest),
                             action_key(kConfigSchema, manifest_.config.digest)};
    for (std::size_t i = 0; i < diff_ids_.size(); ++i)
      for (const Digest& key : {layer_action(manifest_.layers[i].digest, diff_ids_[i]),
                                registry::blob_source_action(manifest_.layers[i].digest)})
        keys.push_back(key);
    return keys;
  }

  LoadedPlan load(const store::Store& store) const override {
    LoadedPlan loaded;
    loaded.plan.config = config_;
    loaded.layers.resize(manifest_.layers.size());
    loaded.plan.layers.resize(manifest_.layers.size());
    parallel_for(manifest_.layers.size(), std::max(kDownloads, default_threads()), [&](std::size_t i) {
      StoredLayer stored = layer(manifest_.layers[i], diff_ids_[i], store);
      registry::note_blob_source(store, manifest_.layers[i].digest, reference_);
      loaded.plan.layers[i] = stored.plan_layer(diff_ids_[i], manifest_.layers[i].media_type);
      loaded.layers[i] = std::move(stored.index.index);
    });
    return loaded;
  }

 private:
  StoredLayer layer(const oci::Descriptor& blob, const Digest& diff_id, const store::Store& store) const {
    if (auto stored = find_layer(blob.digest, diff_id, store)) return std::move(*stored);
    access_->client().get_blob(reference_, blob, store);
    try {
      return import_stored_blob(blob, diff_id, store);
    } catch (const Error& error) {
      // Only if the store's copy is not what it was when it came in, another one helps.
      Sha256 hasher;
      const Fd file = open_for_reading(store.blob_path(blob.digest));
      std::vector<std::byte> buffer(256u << 10);
      while (const std::size_t count = read_some(file.get(), buffer, blob.digest.string()))
        hasher.update(std::span<const std::byte>(buffer).first(count));
      if (hasher.finish() == blob.digest)
        throw Error(error.message(),
                    {.where = name() + ": layer " + blob.digest.string(), .hint = error.hint()});
      store.drop_damaged_blob(blob.digest, "its content does not match its digest");
    }
    access_->client().get_blob(reference_, blob, store);
    return import_stored_blob(blob, diff_id, store);
  }

  Reference reference_;  // with the manifest's digest
  std::shared_ptr<const RemoteAccess> access_;
  oci::Manifest manifest_;
  std::string config_;
  std::vector<Digest> diff_ids_;
};

}  // namespace

Digest document_action(const Digest& digest) {
  return action_key(kDocumentSchema, digest);
}

void keep_document(const Digest& digest, const StoredDocument& document, const store::Store& store) {
  store::ActionResult result{.kind = "manifest", .label = document.media_type};
  result.outputs["manifest"] = store.put(document.text);
  result.facts["mediaType"] = document.media_type;
  result.tool_version = BOTTLE_VERSION;
  store.put_action(document_action(digest), result);
}

void keep_config(const Digest& digest, const std::string& text, const std::string& label,
                 const store::Store& store) {
  store::ActionResult result{.kind = "image-config", .label = label};
  result.outputs["config"] = store.put(text);
  result.tool_version = BOTTLE_VERSION;
  store.put_action(action_key(kConfigSchema, digest), result);
}

StoredDocument fetch_document(const Reference& reference, const store::Store& store,
                              const RemoteAccess& access) {
  StoredDocument document;
  if (auto kept = find_kept(kDocumentSchema, *reference.digest, store, &document.media_type)) {
    document.text = std::move(*kept);
    return document;
  }
  // A registry may have a manifest under the SHA-512 digest only that the Dockerfile names it by.
  std::optional<registry::FetchedManifest> found_there;
  if (reference.other_digest) found_there = access.client().find_manifest(reference);
  Reference named = reference;
  if (reference.other_digest) named.digest.reset();
  registry::FetchedManifest fetched =
      found_there ? std::move(*found_there) : access.client().get_manifest(named);
  if (const Digest found = sha256(fetched.bytes); found != *reference.digest)
    throw Error("expected the manifest " + reference.digest->string() + ", found " + found.string(),
                {.where = reference.string()});
  document = {.text = std::move(fetched.bytes), .media_type = std::move(fetched.media_type)};
  keep_document(*reference.digest, document, store);
  return document;
}

std::map<std::string, LockedManifest> platforms_of(const StoredDocument& index, const std::string& name,
                                                   const oci::ReadDocument& read) {
  std::map<std::string, LockedManifest> platforms;
  std::vector<oci::Platform> seen;
  for (const oci::Descriptor& image : oci::list_images(oci::parse_index(index.text, name), read, name)) {
    oci::Platform platform = *image.platform;
    if (platform.os.empty()) platform.os = oci::host_platform().os;
    if (!is_lockable(platform) || image.digest.empty()) continue;
    // The first that fits is the right one (image-index.md, "manifests"), and arm64/v8 is arm64.
    const oci::Platform meant = oci::normalized(platform);
    if (std::find(seen.begin(), seen.end(), meant) != seen.end()) continue;
    seen.push_back(meant);
    platforms.emplace(
        platform.string(),
        LockedManifest{.digest = image.digest, .media_type = image.media_type, .size = image.size});
  }
  return platforms;
}

std::optional<std::string> stored_config(const Digest& digest, const oci::Platform& platform,
                                         const store::Store& store) {
  StoredDocument document;
  auto text = find_kept(kDocumentSchema, digest, store, &document.media_type);
  if (!text) return std::nullopt;
  document.text = std::move(*text);
  const std::string name = digest.string();
  if (oci::is_manifest_type(document.media_type))
    return find_kept(kConfigSchema, oci::parse_manifest(document.text, name).config.digest, store);
  const auto image = oci::choose_image(
      oci::parse_index(document.text, name), platform,
      [&](const oci::Descriptor& descriptor) {
        const bool is_config = oci::oci_media_type(descriptor.media_type) == oci::kConfigType;
        return find_kept(is_config ? kConfigSchema : kDocumentSchema, descriptor.digest, store);
      },
      name);
  return !image || image->digest == digest ? std::nullopt : stored_config(image->digest, platform, store);
}

LockedImage resolve_image(const Reference& reference, const store::Store& store, const RemoteAccess& access) {
  if (reference.digest) return pinned_image(reference, store, access);
  registry::FetchedManifest fetched = access.client().get_manifest(reference);
  const Digest digest = sha256(fetched.bytes);
  const StoredDocument document{.text = std::move(fetched.bytes),
                                .media_type = std::move(fetched.media_type)};
  LockedImage image = describe(reference, digest, document, store, access);
  keep_document(digest, document, store);
  return image;
}

LockedImage pinned_image(const Reference& reference, const store::Store& store, const RemoteAccess& access) {
  return describe(reference, *reference.digest, fetch_document(reference, store, access), store, access);
}

std::unique_ptr<OutsideImage> open_registry_image(const Reference& reference, const LockedManifest& manifest,
                                                  const store::Store& store,
                                                  std::shared_ptr<const RemoteAccess> access) {
  return std::make_unique<RegistryImage>(reference, manifest.digest, store, std::move(access));
}

}  // namespace bottle::image::remote
