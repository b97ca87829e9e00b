// SPDX-License-Identifier: Apache-2.0
#include "registry/server/layout.hpp"
#include "oci/reference.hpp"

#include "oci/descriptor.hpp"
#include "registry/server/target.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace bottle::registry {
namespace {

// Some 50,000 manifests.
constexpr std::uint64_t kIndexLimit = 16u << 20;
constexpr std::string_view kLayoutFile = "{\"imageLayoutVersion\":\"1.0.0\"}\n";
constexpr std::string_view kEmptyIndex =
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}\n";

// A lock that leaves no file: on the directory itself. Held for the time of writing an index.json.
class DirectoryLock {
 public:
  explicit DirectoryLock(const fs::path& directory)
      : directory_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!directory_) throw_errno("cannot open the directory", directory.native());
    while (::flock(directory_.get(), LOCK_EX) != 0)
      if (errno != EINTR) throw_errno("cannot lock the directory", directory.native());
  }

 private:
  Fd directory_;
};

// "latest" of "latest" and of "docker.io/library/busybox:latest": both are found in layouts.
std::string tag_of(const std::string& name) {
  if (oci::is_tag(name)) return name;
  const std::size_t colon = name.rfind(':');
  if (colon == std::string::npos || name.find('/', colon) != std::string::npos) return {};
  std::string tag = name.substr(colon + 1);
  return oci::is_tag(tag) && name.find('@') == std::string::npos ? tag : std::string();
}

std::string tag_of(const Json& descriptor) {
  const auto annotations = descriptor.find("annotations");
  if (annotations == descriptor.end() || !annotations->is_object()) return {};
  const auto name = annotations->find(std::string(oci::kRefNameAnnotation));
  return name != annotations->end() && name->is_string() ? tag_of(name->get<std::string>()) : std::string();
}

std::string digest_of(const Json& descriptor) {
  if (!descriptor.is_object()) return {};
  const auto digest = descriptor.find("digest");
  return digest != descriptor.end() && digest->is_string() ? digest->get<std::string>() : std::string();
}

// The same without its name; no empty annotations stay behind.
void untag(Json& descriptor) {
  Json& annotations = descriptor["annotations"];
  annotations.erase(std::string(oci::kRefNameAnnotation));
  if (annotations.empty()) descriptor.erase("annotations");
}

Json descriptor_of(const ListedManifest& manifest, const std::string& tag) {
  Json json = {
      {"mediaType", manifest.media_type}, {"digest", manifest.digest.string()}, {"size", manifest.size}};
  if (!tag.empty()) json["annotations"] = Json{{std::string(oci::kRefNameAnnotation), tag}};
  return json;
}

bool lists(const Json& manifests, std::string_view digest) {
  return std::any_of(manifests.begin(), manifests.end(),
                     [&](const Json& descriptor) { return digest_of(descriptor) == digest; });
}

// Takes the tag from whatever has it; a manifest that has no other entry stays as an untagged one.
bool drop_tag(Json& manifests, const std::string& tag) {
  bool found = false;
  for (std::size_t i = 0; i < manifests.size();) {
    if (tag_of(manifests[i]) != tag) {
      ++i;
      continue;
    }
    found = true;
    Json descriptor = std::move(manifests[i]);
    manifests.erase(i);
    if (lists(manifests, digest_of(descriptor))) continue;
    untag(descriptor);
    manifests.push_back(std::move(descriptor));
  }
  return found;
}

}  // namespace

struct Layout::File {
  Fd descriptor;
  struct stat status {};
};

bool Layout::exists() const {
  return ::access((directory_ / "index.json").c_str(), R_OK) == 0;
}

void Layout::create() const {
  make_directories(directory_ / "blobs" / "sha256");
  const DirectoryLock lock(directory_);
  if (::access((directory_ / "oci-layout").c_str(), F_OK) != 0)
    write_file(directory_ / "oci-layout", kLayoutFile, durable_);
  if (!exists()) write_file(directory_ / "index.json", kEmptyIndex, durable_);
}

fs::path Layout::blob_path(const oci::ContentDigest& digest) const {
  return directory_ / "blobs" / name_of(digest.algorithm) / digest.hex;
}

std::optional<OpenBlob> Layout::open_blob(const oci::ContentDigest& digest) const {
  const fs::path path = blob_path(digest);
  OpenBlob blob{Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))};
  if (!blob.file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!blob.file) throw_errno("cannot open", path.native());
  const struct stat status = stat_of(blob.file.get(), path.native());
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  blob.size = static_cast<std::uint64_t>(status.st_size);
  return blob;
}

bool Layout::has_blob(const oci::ContentDigest& digest) const {
  struct stat status {};
  return ::stat(blob_path(digest).c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool Layout::remove_blob(const oci::ContentDigest& digest) const {
  const fs::path path = blob_path(digest);
  if (::unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw_errno("cannot remove", path.native());
}

void Layout::publish_blob(const fs::path& file, const oci::ContentDigest& digest) const {
  const fs::path path = blob_path(digest);
  if (::rename(file.c_str(), path.c_str()) == 0) return;
  if (errno != ENOENT) throw_errno("cannot write", path.native());
  make_directories(path.parent_path());
  if (::rename(file.c_str(), path.c_str()) != 0) throw_errno("cannot write", path.native());
}

bool Layout::mount_blob(const Layout& from, const oci::ContentDigest& digest) const {
  if (!from.has_blob(digest)) return false;
  const fs::path path = blob_path(digest);
  make_directories(path.parent_path());
  // A hard link first: blobs are never written to, and it costs nothing anywhere.
  if (::link(from.blob_path(digest).c_str(), path.c_str()) == 0 || errno == EEXIST) return true;
  if (errno == ENOENT) return false;  // removed since
  link_or_copy(from.blob_path(digest), path);
  return true;
}

std::shared_ptr<const LayoutIndex> Layout::index() const {
  const std::lock_guard guard(mutex_);
  return read_index();
}

std::shared_ptr<const LayoutIndex> Layout::read_index() const {
  const fs::path path = directory_ / "index.json";
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) throw_errno("cannot read", path.native());
    read_from_.reset();
    return index_ = std::make_shared<LayoutIndex>();
  }
  if (index_ && read_from_) {
    const struct stat& known = read_from_->status;
    if (known.st_dev == status.st_dev && known.st_ino == status.st_ino && known.st_size == status.st_size &&
        known.st_mtim.tv_sec == status.st_mtim.tv_sec && known.st_mtim.tv_nsec == status.st_mtim.tv_nsec)
      return index_;
  }
  auto file = std::make_shared<File>();
  file->descriptor = open_for_reading(path);
  file->status = stat_of(file->descriptor.get(), path.native());
  const std::string text = read_file("/proc/self/fd/" + std::to_string(file->descriptor.get()), kIndexLimit);

  const Json json = parse_json(text, path.native());
  auto index = std::make_shared<LayoutIndex>();
  for (const JsonView& descriptor : JsonView(json, path.native() + "#").at("manifests").elements()) {
    // A digest of another algorithm cannot be asked for here; the rest of the layout can.
    auto digest = oci::ContentDigest::parse(descriptor.at("digest").string());
    if (!digest) continue;
    ListedManifest listed{std::move(*digest), descriptor.string_or("mediaType", ""),
                          descriptor.at("size").unsigned_number(), tag_of(descriptor.value())};
    const std::size_t position = index->manifests.size();
    if (!listed.tag.empty()) index->tags.insert_or_assign(listed.tag, position);
    index->by_digest.emplace(listed.digest.string(), position);
    index->manifests.push_back(std::move(listed));
  }
  read_from_ = std::move(file);
  return index_ = std::move(index);
}

template <typename Change>
bool Layout::update(Change change) {
  const std::lock_guard guard(mutex_);
  const DirectoryLock lock(directory_);
  const fs::path path = directory_ / "index.json";
  Json document =
      parse_json(read_file_if_exists(path, kIndexLimit).value_or(std::string(kEmptyIndex)), path.native());
  (void)JsonView(document, path.native() + "#").at("manifests").elements();
  if (!change(document["manifests"])) return false;
  const std::string text = document.dump() + "\n";
  if (text.size() > kIndexLimit)
    throw Error("the repository has too many manifests: its index would have " + std::to_string(text.size()) +
                    " bytes, more than the limit of " + std::to_string(kIndexLimit) + " bytes",
                {.where = path.native(), .hint = "delete manifests that are no longer needed"});
  write_file(path, text, durable_);
  return true;
}

bool Layout::put_manifest(const ListedManifest& manifest, const fs::path& file,
                          const std::vector<std::string>& tags, const TagCondition& condition) {
  const std::string digest = manifest.digest.string();
  bool allowed = true;
  update([&](Json& manifests) {
    for (const std::string& tag : tags) {
      std::optional<oci::ContentDigest> current;
      for (const Json& descriptor : manifests)
        if (tag_of(descriptor) == tag) current = oci::ContentDigest::parse(digest_of(descriptor));
      if (condition && !condition(tag, current ? &*current : nullptr)) return allowed = false;
    }
    publish_blob(file, manifest.digest);
    bool changed = false;
    for (const std::string& tag : tags) {
      const bool there = std::any_of(manifests.begin(), manifests.end(), [&](const Json& descriptor) {
        return tag_of(descriptor) == tag && digest_of(descriptor) == digest;
      });
      if (there) continue;
      drop_tag(manifests, tag);
      // The untagged entry becomes the tagged one.
      for (std::size_t i = 0; i < manifests.size(); ++i) {
        if (digest_of(manifests[i]) != digest || !tag_of(manifests[i]).empty()) continue;
        manifests.erase(i);
        break;
      }
      manifests.push_back(descriptor_of(manifest, tag));
      changed = true;
    }
    // The media type is the one of the last push.
    for (Json& descriptor : manifests) {
      if (digest_of(descriptor) != digest || descriptor.value("mediaType", Json()) == manifest.media_type)
        continue;
      descriptor["mediaType"] = manifest.media_type;
      changed = true;
    }
    if (tags.empty() && !lists(manifests, digest)) {
      manifests.push_back(descriptor_of(manifest, {}));
      changed = true;
    }
    return changed;
  });
  return allowed;
}

bool Layout::remove_tag(const std::string& tag) {
  return update([&](Json& manifests) { return drop_tag(manifests, tag); });
}

bool Layout::remove_manifest(const oci::ContentDigest& digest) {
  bool removed = false;
  const bool listed = update([&](Json& manifests) {
    const std::size_t before = manifests.size();
    const std::string text = digest.string();
    Json kept = Json::array();
    for (Json& descriptor : manifests)
      if (digest_of(descriptor) != text) kept.push_back(std::move(descriptor));
    manifests = std::move(kept);
    removed = remove_blob(digest);
    return manifests.size() != before;
  });
  return removed || listed;
}

}  // namespace bottle::registry
