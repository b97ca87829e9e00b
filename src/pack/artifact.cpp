// SPDX-License-Identifier: Apache-2.0
#include "pack/artifact.hpp"

#include <algorithm>
#include <ctime>
#include <vector>

#include "pack/pack_file.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr std::uint64_t kMaximumPackConfig = 64u << 20;

Digest digest_of(const OpenPack& pack) {
  Sha256 hasher;
  std::vector<std::byte> buffer(256u << 10);
  for (std::uint64_t at = 0; at < pack.size;) {
    check_interrupted();
    const std::size_t count = pread_some(pack.file.get(), buffer, at, pack.name);
    if (count == 0) throw Error("the file was truncated while it was read", {.where = pack.name});
    hasher.update(std::span(buffer).first(count));
    at += count;
  }
  return hasher.finish();
}

Digest remembered_digest_of(const OpenPack& pack, const store::Store& store) {
  // A file that was written just now may be written again within the resolution of its times.
  constexpr std::time_t kSettled = 2;
  const struct stat before = stat_of(pack.file.get(), pack.name);
  const auto time = [](const struct timespec& when) {
    return std::to_string(when.tv_sec) + "." + std::to_string(when.tv_nsec);
  };
  const Digest key =
      sha256("pack digest/1\n" + fs::absolute(pack.name).native() + "\n" + std::to_string(before.st_dev) +
             " " + std::to_string(before.st_ino) + " " + std::to_string(before.st_size) + " " +
             time(before.st_mtim) + " " + time(before.st_ctim) + "\n");
  const store::Store::Lookup found = store.find_action(key);
  if (found.presence == store::Presence::present) {
    const auto fact = found.result->facts.find("digest");
    if (const auto digest = fact != found.result->facts.end() ? Digest::parse(fact->second) : std::nullopt)
      return *digest;
  }
  const Digest digest = digest_of(pack);
  const struct stat after = stat_of(pack.file.get(), pack.name);
  const bool settled = std::time(nullptr) - std::max(after.st_mtim.tv_sec, after.st_ctim.tv_sec) > kSettled;
  if (settled && time(before.st_ctim) == time(after.st_ctim)) {
    store::ActionResult action;
    action.kind = "pack digest";
    action.label = fs::path(pack.name).filename().native();
    action.facts["digest"] = digest.string();
    action.tool_version = BOTTLE_VERSION;
    store.put_action(key, action);
  }
  return digest;
}

OrderedJson short_descriptor(const oci::Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type},
          {"digest", descriptor.digest.string()},
          {"size", descriptor.size}};
}

}  // namespace

oci::Platform guest_platform(const std::string& platform, const std::string& where) {
  const std::size_t slash = platform.find('/');
  std::string architecture = slash == std::string::npos ? "" : platform.substr(slash + 1);
  if (architecture == "x86_64") architecture = "amd64";
  if (architecture == "aarch64") architecture = "arm64";
  const bool plain = !architecture.empty() &&
                     std::all_of(architecture.begin(), architecture.end(),
                                 [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  if (platform.substr(0, slash) != "linux" || !plain)
    throw Error(
        "expected linux/<architecture> as the guest's platform, found \"" + escape_word(platform) + '"',
        {.where = where, .hint = "build the image without a variant of the architecture"});
  return {.os = "linux", .architecture = architecture, .variant = ""};
}

PackArtifact pack_artifact(const fs::path& path, const oci::Reference& reference, const store::Store& store) {
  const auto pack = std::make_shared<OpenPack>(open_pack(path));
  if (!pack->footer.sidecar())
    throw Error("cannot push an executable that contains a pack",
                {.where = pack->name, .hint = "push the .smolmachine file"});
  if (reference.tag.empty() || reference.has_digest())
    throw Error("cannot push a pack without a tag, or to a digest", {.where = reference.string()});
  PackArtifact result;
  result.options.into_index = true;
  result.options.index_indent = 2;
  result.options.platform = guest_platform(pack->manifest.platform, pack->name + ": manifest#/platform");
  result.options.also_tag =
      reference.tag + "-" + result.options.platform.os + "-" + result.options.platform.architecture;
  if (!oci::is_tag(result.options.also_tag))
    throw Error("the tag is too long: cannot push the second tag \"" + result.options.also_tag + "\"",
                {.where = reference.string()});

  // As it is, with members that only a newer smolvm knows.
  const std::string& config_text = pack->manifest_text;
  const oci::Descriptor config{
      .media_type = std::string(kPackConfigType), .digest = sha256(config_text), .size = config_text.size()};
  const oci::Descriptor layer{.media_type = std::string(kPackLayerType),
                              .digest = remembered_digest_of(*pack, store),
                              .size = pack->size};
  OrderedJson json;
  json["schemaVersion"] = 2;
  json["mediaType"] = oci::kManifestType;
  json["artifactType"] = kPackLayerType;
  json["config"] = short_descriptor(config);
  json["layers"] = OrderedJson::array({short_descriptor(layer)});
  json["annotations"][kPackModeAnnotation] = pack->manifest.mode == Manifest::Mode::vm ? "vm" : "container";
  json["annotations"][kTitleAnnotation] = reference.repository + ":" + reference.tag;

  registry::ManifestToPush manifest;
  manifest.bytes = json.dump(2);
  manifest.descriptor = {.media_type = std::string(oci::kManifestType),
                         .digest = sha256(manifest.bytes),
                         .size = manifest.bytes.size()};
  manifest.blobs = {layer.digest, config.digest};
  result.source.manifests.push_back(std::move(manifest));
  result.source.add_blob(layer, {.open =
                                     [pack] {
                                       return oci::FileRange{
                                           .file = std::make_shared<Fd>(open_for_reading(pack->name)),
                                           .offset = 0,
                                           .size = pack->size,
                                           .name = pack->name};
                                     },
                                 .bytes = {}});
  result.source.add_blob(config, {.open = {}, .bytes = config_text});
  return result;
}

std::optional<RemotePack> find_pack(const registry::FetchedManifest& fetched,
                                    const oci::Reference& reference) {
  if (oci::is_index_type(fetched.media_type)) return std::nullopt;
  const oci::Manifest manifest = oci::parse_manifest(fetched.bytes, reference.string());
  const auto layer =
      std::find_if(manifest.layers.begin(), manifest.layers.end(),
                   [](const oci::Descriptor& one) { return one.media_type == kPackLayerType; });
  if (layer == manifest.layers.end()) return std::nullopt;
  return RemotePack{.reference = reference.with_digest(fetched.digest),
                    .manifest = fetched,
                    .config = manifest.config,
                    .layer = *layer};
}

RemotePack get_pack(const registry::Client& client, const oci::Reference& reference,
                    const std::optional<oci::Platform>& platform) {
  const oci::Platform wanted =
      platform
          ? *platform
          : oci::Platform{.os = "linux", .architecture = oci::host_platform().architecture, .variant = ""};
  auto pack = find_pack(client.get_image_manifest(reference, wanted), reference);
  if (!pack)
    throw Error("expected a pack (a layer of type " + std::string(kPackLayerType) + ")",
                {.where = reference.string(), .hint = "pull other artifacts with --layout DIR"});
  return std::move(*pack);
}

Manifest read_pack_config(const registry::Client& client, const RemotePack& pack) {
  return parse_manifest(client.read_blob(pack.reference, pack.config, kMaximumPackConfig),
                        pack.reference.string() + ": configuration");
}

void pull_pack(const registry::Client& client, const RemotePack& pack, const store::Store& store,
               const fs::path& target) {
  client.get_blob(pack.reference, pack.layer, store);
  const fs::path blob = store.blob_path(pack.layer.digest);
  open_pack(blob);
  const Fd from = open_for_reading(blob);
  AtomicFile file(target);
  copy_range(from.get(), 0, file.descriptor(), 0, pack.layer.size, target.native());
  file.commit();
}

}  // namespace bottle::pack
