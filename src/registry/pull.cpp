// SPDX-License-Identifier: Apache-2.0
#include "registry/pull.hpp"

#include <algorithm>
#include <chrono>

#include "oci/layout_writer.hpp"
#include "registry/sources.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::registry {

PullReport pull(const Client& client, const oci::Reference& reference, const store::Store& store,
                const PullOptions& options) {
  const auto begun = std::chrono::steady_clock::now();
  PullReport report;
  report.reference = reference;
  std::optional<oci::Platform> platform;
  if (!options.all_platforms) platform = options.platform ? options.platform : oci::host_platform();
  const PushSource source = registry_source(client, reference, store, platform);
  store::ActionResult action{.kind = "pull",
                             .label = reference.string(),
                             .outputs = {},
                             .facts = {},
                             .tool_version = BOTTLE_VERSION,
                             .milliseconds = 0};
  for (const ManifestToPush& manifest : source.manifests) {
    report.manifests.push_back({.digest = manifest.descriptor.digest,
                                .media_type = manifest.descriptor.media_type,
                                .bytes = manifest.bytes});
    action.outputs["manifest " + manifest.descriptor.digest.hex()] = store.put(manifest.bytes);
  }
  for (const BlobToPush& blob : source.blobs) {
    report.blobs.push_back(blob.descriptor);
    const auto there = store.find_blob(blob.descriptor.digest);
    std::error_code error;
    if (there && fs::file_size(*there, error) == blob.descriptor.size) continue;
    ++report.blobs_fetched;
    report.bytes_fetched += blob.descriptor.size;
  }
  client.get_blobs(reference, report.blobs, store);
  for (const oci::Descriptor& blob : report.blobs)
    action.outputs["blob " + blob.digest.hex()] = {blob.digest, blob.size};
  report.platform = platform;
  report.milliseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun)
          .count());
  action.milliseconds = report.milliseconds;
  const Digest key = sha256("pull/1\n" + report.root().digest.string() + "\n");
  // Noted again only if the note is not there: pulling what is there writes nothing.
  if (store.find_action(key).presence != store::Presence::present) store.put_action(key, action);
  return report;
}

void write_layout(const PullReport& pulled, const store::Store& store, const fs::path& target,
                  const std::string& ref_name) {
  oci::LayoutWriter writer(target);
  oci::Descriptor root;
  for (const FetchedManifest& manifest : pulled.manifests)
    root = writer.write_blob(manifest.media_type, manifest.bytes);
  for (const oci::Descriptor& blob : pulled.blobs)
    writer.link_blob(store.blob_path(blob.digest), blob);
  std::optional<oci::Platform> platform;
  if (!oci::is_index_type(root.media_type)) {
    const oci::Manifest manifest = oci::parse_manifest(pulled.root().bytes, pulled.reference.string());
    if (oci::oci_media_type(manifest.config.media_type) == oci::kConfigType) {
      const std::string config = read_file(store.blob_path(manifest.config.digest), oci::kMaximumConfig);
      platform = oci::parse_config(config, pulled.reference.string() + ": configuration").platform;
    }
  }
  writer.commit(root, platform, ref_name);
}

nlohmann::ordered_json PullReport::json() const {
  OrderedJson json{{"reference", reference.string()}, {"digest", root().digest.string()},
                   {"mediaType", root().media_type},  {"manifests", manifests.size()},
                   {"blobs", blobs.size()},           {"blobsFetched", blobs_fetched},
                   {"bytesFetched", bytes_fetched},   {"milliseconds", milliseconds}};
  return json;
}

}  // namespace bottle::registry
