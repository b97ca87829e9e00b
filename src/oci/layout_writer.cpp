// SPDX-License-Identifier: Apache-2.0
#include "oci/layout_writer.hpp"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <utility>

#include "oci/damage.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"

namespace bottle::oci {
namespace {

// The name without a trailing slash, absolute, so that a change of directory does not matter.
fs::path clean_target(const fs::path& target) {
  fs::path path = fs::absolute(target).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path;
}

// Puts the finished directory in place of what is there, which is left beside `temporary` in the staging
// directory.
void exchange(const fs::path& temporary, const fs::path& target) {
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno != EEXIST && errno != EINVAL && errno != ENOSYS) throw_errno("cannot rename to", target.native());
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
    // Not every file system can exchange: what was there goes aside first.
    const fs::path aside = temporary.native() + ".old";
    if (::rename(target.c_str(), aside.c_str()) != 0 && errno != ENOENT)
      throw_errno("cannot rename", target.native());
    if (::rename(temporary.c_str(), target.c_str()) != 0) throw_errno("cannot rename to", target.native());
  }
}

// An image layout, also one that lost some of its files. An empty directory is one.
bool is_layout(const fs::path& directory) {
  std::error_code error;
  if (fs::exists(directory / "oci-layout", error)) return true;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const fs::path name = entry->path().filename();
    if (name != "oci-layout" && name != "index.json" && name != "blobs") return false;
  }
  return !error;
}

}  // namespace

LayoutWriter::LayoutWriter(const fs::path& target) : target_(clean_target(target)) {
  std::error_code unknown;
  if (fs::exists(target_, unknown) && !is_layout(target_))
    throw Error("cannot replace this directory or file: it is not an OCI image layout",
                {.where = target_.native(), .hint = "choose another directory, or remove this one"});
  staging_.emplace(target_);
  temporary_ = staging_->path() / "layout";
  make_directories(temporary_ / "blobs" / "sha256");
  write_file(temporary_ / "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

LayoutWriter::~LayoutWriter() = default;

fs::path LayoutWriter::blob_path(const Digest& digest) const {
  return temporary_ / "blobs" / "sha256" / digest.hex();
}

Digest LayoutWriter::store_blob(const std::function<void(const Sink&)>& produce, std::uint64_t& size) {
  const fs::path path = temporary_ / "blobs" / ("new." + std::to_string(blobs_++));
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file) throw_errno("cannot create", path.native());
  Sha256 hasher;
  size = 0;
  produce([&](std::span<const std::byte> data) {
    check_interrupted();
    hasher.update(data);
    write_all(file.get(), data, path.native());
    size += data.size();
  });
  if (::fsync(file.get()) != 0) throw_errno("cannot write", path.native());
  const Digest digest = hasher.finish();
  if (::rename(path.c_str(), blob_path(digest).c_str()) != 0) throw_errno("cannot rename", path.native());
  return digest;
}

Descriptor LayoutWriter::write_blob(std::string_view media_type, std::string_view bytes) {
  Descriptor descriptor;
  descriptor.media_type = media_type;
  descriptor.digest =
      store_blob([&](const Sink& sink) { sink(std::as_bytes(std::span(bytes))); }, descriptor.size);
  return descriptor;
}

Descriptor LayoutWriter::copy_blob(const FileRange& blob, const Descriptor& expected) {
  Descriptor descriptor;
  descriptor.media_type = oci_media_type(expected.media_type);
  descriptor.annotations = expected.annotations;
  const auto copy = [&](const Sink& sink) {
    const Source source = blob.source();
    std::vector<std::byte> buffer(256u << 10);
    while (const std::size_t count = source(buffer))
      sink(std::span<const std::byte>(buffer).first(count));
  };
  descriptor.digest = store_blob(copy, descriptor.size);
  if (descriptor.digest != expected.digest || descriptor.size != expected.size)
    throw DamageError(Damage::blob,
                      "the blob does not match its descriptor: expected " + std::to_string(expected.size) +
                          " bytes " + expected.digest.string() + ", found " +
                          std::to_string(descriptor.size) + " bytes " + descriptor.digest.string(),
                      {.where = blob.name});
  return descriptor;
}

WrittenLayer LayoutWriter::write_layer(const std::function<void(const Sink&)>& produce) {
  WrittenLayer layer;
  layer.descriptor.media_type = kLayerType;
  layer.descriptor.digest = layer.diff_id = store_blob(produce, layer.descriptor.size);
  return layer;
}

void LayoutWriter::link_blob(const fs::path& file, const Descriptor& blob) {
  link_or_copy(file, blob_path(blob.digest));
}

std::string image_manifest(const Descriptor& config, const std::vector<Descriptor>& layers,
                           const std::map<std::string, std::string>& annotations) {
  OrderedJson json;
  json["schemaVersion"] = 2;
  json["mediaType"] = kManifestType;
  json["config"] = to_json(config);
  json["layers"] = OrderedJson::array();
  for (const Descriptor& layer : layers)
    json["layers"].push_back(to_json(layer));
  for (const auto& [key, value] : annotations)
    json["annotations"][key] = value;
  return json.dump();
}

Descriptor LayoutWriter::write_manifest(const Descriptor& config, const std::vector<Descriptor>& layers,
                                        const std::map<std::string, std::string>& annotations) {
  return write_blob(kManifestType, image_manifest(config, layers, annotations));
}

void LayoutWriter::commit(Descriptor manifest, const std::optional<Platform>& platform,
                          const std::string& ref_name) {
  manifest.platform = platform;
  if (!ref_name.empty()) manifest.annotations[std::string(kRefNameAnnotation)] = ref_name;
  OrderedJson json;
  json["schemaVersion"] = 2;
  json["mediaType"] = kIndexType;
  json["manifests"] = OrderedJson::array({to_json(manifest)});
  write_file(temporary_ / "index.json", json.dump());
  exchange(temporary_, target_);
}

}  // namespace bottle::oci
