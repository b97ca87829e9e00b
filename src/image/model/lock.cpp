// SPDX-License-Identifier: Apache-2.0
#include "image/model/lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::image {
inline namespace model {
namespace {

constexpr std::uint64_t kMaximumLock = 16u << 20;
constexpr std::uint64_t kLockSchema = 1;

void refuse_unknown_in_lock(const JsonView& view, const std::vector<std::string>& known) {
  if (!view.value().is_object()) view.fail("an object");
  for (const auto& [key, value] : view.value().items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const auto near = nearest(key, known);
    throw Error("unknown member \"" + key + "\"",
                {.where = view.place(), .hint = near ? "did you mean \"" + *near + "\"?" : ""});
  }
}

Digest parse_digest(const JsonView& view) {
  const auto digest = Digest::parse(view.string());
  if (!digest || digest->empty()) view.fail("sha256: and 64 hexadecimal digits");
  return *digest;
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

LockedManifest parse_manifest(const JsonView& view) {
  refuse_unknown_in_lock(view, {"digest", "mediaType", "size"});
  return {.digest = parse_digest(view.at("digest")),
          .media_type = view.at("mediaType").string(),
          .size = view.at("size").unsigned_number(oci::kMaximumManifest)};
}

LockedImage parse_image(const JsonView& view) {
  refuse_unknown_in_lock(view, {"kind", "tag", "index", "platforms"});
  LockedImage image;
  image.tag = view.string_or("tag", "");
  if (const auto index = view.find("index")) {
    image.index = parse_manifest(*index);
    if (!oci::is_index_type(image.index->media_type))
      index->at("mediaType").fail("the media type of an image index");
  }
  const JsonView platforms = view.at("platforms");
  if (!platforms.value().is_object() || platforms.value().empty())
    platforms.fail("an object with a manifest for each platform");
  for (const auto& [platform, value] : platforms.value().items()) {
    const JsonView place = platforms.at(platform);
    if (const auto parts = std::count(platform.begin(), platform.end(), '/');
        parts < 1 || parts > 2 || platform.front() == '/' || platform.back() == '/')
      place.fail("a platform as its name, os/architecture[/variant]");
    LockedManifest manifest = parse_manifest(place);
    if (!oci::is_manifest_type(manifest.media_type))
      place.at("mediaType").fail("the media type of an image manifest");
    image.platforms.emplace(platform, std::move(manifest));
  }
  return image;
}

LockedUrl parse_url(const JsonView& view) {
  refuse_unknown_in_lock(view, {"kind", "digest", "size"});
  return {.digest = parse_digest(view.at("digest")), .size = view.at("size").unsigned_number()};
}

LockedGit parse_git(const JsonView& view) {
  refuse_unknown_in_lock(view, {"kind", "commit", "ref"});
  LockedGit git{.commit = view.at("commit").string(), .ref = view.at("ref").string()};
  if ((git.commit.size() != 40 && git.commit.size() != 64) || !is_hex(git.commit))
    view.at("commit").fail("the name of a commit, 40 or 64 hexadecimal digits");
  if (git.ref != "HEAD" && !git.ref.starts_with("refs/")) view.at("ref").fail("HEAD or refs/...");
  return git;
}

LockedSource parse_entry(const JsonView& view) {
  const std::string kind = view.at("kind").string();
  if (kind == "image") return parse_image(view);
  if (kind == "url") return parse_url(view);
  if (kind == "git") return parse_git(view);
  view.at("kind").fail("image, url or git");
}

OrderedJson to_json(const LockedManifest& manifest) {
  return {{"digest", manifest.digest.string()}, {"mediaType", manifest.media_type}, {"size", manifest.size}};
}

OrderedJson to_json(const LockedSource& source) {
  OrderedJson json{{"kind", kind_of(source)}};
  if (const auto* image = std::get_if<LockedImage>(&source)) {
    if (!image->tag.empty()) json["tag"] = image->tag;
    if (image->index) json["index"] = to_json(*image->index);
    json["platforms"] = OrderedJson::object();
    for (const auto& [platform, manifest] : image->platforms)
      json["platforms"][platform] = to_json(manifest);
  } else if (const auto* url = std::get_if<LockedUrl>(&source)) {
    json["digest"] = url->digest.string();
    json["size"] = url->size;
  } else {
    const auto& git = std::get<LockedGit>(source);
    json["commit"] = git.commit;
    json["ref"] = git.ref;
  }
  return json;
}

// Held on the directory: the file itself is replaced, and a file beside it would be litter in a source tree.
class DirectoryLock {
 public:
  explicit DirectoryLock(const fs::path& directory) : file_(open_for_reading(directory, O_DIRECTORY)) {
    while (::flock(file_.get(), LOCK_EX) != 0) {
      if (errno != EINTR) throw_errno("cannot lock the directory", directory.native());
      check_interrupted();
    }
  }

 private:
  Fd file_;
};

}  // namespace

const LockedManifest* LockedImage::find(const oci::Platform& wanted) const {
  if (const auto exact = platforms.find(wanted.string()); exact != platforms.end()) return &exact->second;
  const LockedManifest* best = nullptr;
  std::optional<std::size_t> best_rank;
  for (const auto& [name, manifest] : platforms) {
    const auto parts = split(name, '/');
    const auto rank = oci::match_rank({.os = std::string(parts.at(0)),
                                       .architecture = std::string(parts.at(1)),
                                       .variant = parts.size() > 2 ? std::string(parts[2]) : "",
                                       .os_version = {}},
                                      wanted);
    if (!rank || (best_rank && *best_rank <= *rank)) continue;
    best = &manifest;
    best_rank = rank;
  }
  return best;
}

const char* kind_of(const LockedSource& source) {
  static constexpr const char* kKinds[] = {"image", "url", "git"};
  return kKinds[source.index()];
}

std::string summary(const LockedSource& source) {
  if (const auto* url = std::get_if<LockedUrl>(&source)) return url->digest.string();
  if (const auto* git = std::get_if<LockedGit>(&source)) return git->commit;
  const auto& image = std::get<LockedImage>(source);
  if (image.index) return image.index->digest.string();
  std::string text;
  for (const auto& [platform, manifest] : image.platforms)
    text += (text.empty() ? "" : ", ") + manifest.digest.string() + " (" + platform + ")";
  return text;
}

std::string Lock::serialize() const {
  OrderedJson document{{"schema", kLockSchema}, {"sources", OrderedJson::object()}};
  for (const auto& [name, source] : sources)
    document["sources"][name] = to_json(source);
  return document.dump(2, ' ', false, OrderedJson::error_handler_t::strict) + "\n";
}

Lock Lock::parse(std::string_view text, const std::string& name) {
  const Json document = parse_json(text, name);
  const JsonView view(document, name + "#");
  if (!view.value().is_object()) view.fail("an object with the members schema and sources");
  if (view.at("schema").unsigned_number() != kLockSchema)
    throw Error("unsupported lock version " + view.at("schema").value().dump() + ": expected 1",
                {.where = name, .hint = "use the version of Bottle that wrote the lock"});
  refuse_unknown_in_lock(view, {"schema", "sources"});
  const JsonView sources = view.at("sources");
  if (!sources.value().is_object()) sources.fail("an object");
  Lock lock;
  for (const auto& [source, value] : sources.value().items())
    lock.sources.emplace(source, parse_entry(sources.at(source)));
  return lock;
}

void Lock::put(const std::string& source, LockedSource entry) {
  auto* image = std::get_if<LockedImage>(&entry);
  const auto* before = find<LockedImage>(source);
  if (image != nullptr && before != nullptr && !image->index && !before->index && image->tag == before->tag)
    image->platforms.insert(before->platforms.begin(), before->platforms.end());
  sources.insert_or_assign(source, std::move(entry));
}

Lock load_lock(const fs::path& file) {
  const auto text = read_file_if_exists(file, kMaximumLock);
  return text ? Lock::parse(*text, file.native()) : Lock{};
}

bool change_lock(const fs::path& file, const std::function<void(Lock&)>& change) {
  // A link stays one: its target is what is replaced.
  const fs::path target =
      fs::weakly_canonical(fs::is_symlink(file) ? file.parent_path() / fs::read_symlink(file) : file);
  const DirectoryLock held(target.parent_path());
  Lock lock = load_lock(target);
  change(lock);
  const std::string text = lock.serialize();
  // Nothing to say and nothing there: no file.
  if (lock.sources.empty() && !fs::exists(target)) return false;
  return write_file_if_changed(target, text);
}

}  // namespace model
}  // namespace bottle::image
