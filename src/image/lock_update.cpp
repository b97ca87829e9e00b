// SPDX-License-Identifier: Apache-2.0
#include "image/lock_update.hpp"

#include <algorithm>
#include <memory>

#include "image/model/stored_layer.hpp"
#include "image/remote/git.hpp"
#include "image/remote/image.hpp"
#include "image/remote/url.hpp"
#include "image/resolve/resolve.hpp"
#include "oci/image_files.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

using oci::Reference;

OrderedJson descriptor(const std::string& media_type, const Digest& digest, std::uint64_t size) {
  return {{"mediaType", media_type}, {"digest", digest.string()}, {"size", size}};
}

// An old `docker save` archive has no manifest. One is made, which depends on what is in it only.
remote::StoredDocument made_manifest(const oci::ImageSource& image, const store::Store& store) {
  OrderedJson json{
      {"schemaVersion", 2},
      {"mediaType", oci::kManifestType},
      {"config", descriptor(std::string(oci::kConfigType), image.config_digest, image.config.size())},
      {"layers", OrderedJson::array()}};
  for (const oci::SourceLayer& layer : image.layers) {
    const StoredLayer stored = import_layer(layer, store);
    // By its digest too, as a manifest names it.
    oci::SourceLayer named = layer;
    named.digest = stored.blob;
    named.size = stored.blob_size;
    (void)import_layer(named, store);
    json["layers"].push_back(descriptor(layer.media_type, stored.blob, stored.blob_size));
  }
  return {.text = json.dump(), .media_type = std::string(oci::kManifestType)};
}

// The image of a layout or archive, whose name for it may be any of the reference's.
oci::ImageSource open_named(const ContextSpec& from, const Reference& reference,
                            const oci::Platform& platform) {
  std::vector<std::string> names{reference.string()};
  if (const auto familiar = dockerfile::familiar_name(reference.string())) names.push_back(*familiar);
  names.push_back(reference.tag);
  names.emplace_back();
  if (!from.reference.empty()) names = {from.reference};
  for (std::size_t i = 0;; ++i) {
    const oci::ImageSelection selection{.reference = names[i], .platform = platform};
    try {
      return fs::is_directory(from.value) ? oci::open_layout(from.value, selection)
                                          : oci::open_archive(from.value, selection);
    } catch (const Error&) {
      if (i + 1 == names.size()) throw;
    }
  }
}

// Puts all of it into the store, since no registry may have it.
LockedManifest take_in(const ContextSpec& from, const oci::ImageSource& image, const std::string& name,
                       const store::Store& store) {
  remote::StoredDocument document;
  if (image.manifest) {
    const auto files =
        fs::is_directory(from.value) ? oci::directory_files(from.value) : oci::tar_files(from.value);
    document = {.text = files->read_blob(*image.manifest, oci::kMaximumManifest),
                .media_type = image.manifest->media_type};
    for (const oci::SourceLayer& layer : image.layers)
      (void)import_layer(layer, store);
  } else {
    document = made_manifest(image, store);
  }
  const Digest digest = sha256(document.text);
  remote::keep_config(image.config_digest, image.config, name, store);
  remote::keep_document(digest, document, store);
  return {.digest = digest, .media_type = document.media_type, .size = document.text.size()};
}

// Looks each source up once.
class Finder : public remote::SourceLock {
 public:
  Finder(const LockRequest& request, const Lock& before, const store::Store& store)
      : request_(request), before_(before), store_(store) {
    for (const BuildSpec& spec : request.specs) {
      const auto platform = dockerfile::parse_platform(spec.platform);
      add_platform(platform ? *platform : oci::host_platform());
    }
    add_platform(oci::host_platform());
  }

  std::optional<LockedImage> image(const Reference& reference) override {
    const std::string name = reference.string();
    const ContextSpec* from = nullptr;
    for (const ContextSpec& each : request_.from)
      if (each.name == name) from = &each;
    // A digest needs no lock.
    if (reference.digest && from == nullptr) return std::nullopt;
    return look_up<LockedImage>(name, [&] {
      return from != nullptr ? from_file(*from, reference)
                             : remote::resolve_image(reference, store_, access_);
    });
  }

  std::optional<LockedUrl> url(const std::string& name, const std::string& url) override {
    return look_up<LockedUrl>(name, [&] { return remote::resolve_url(url, store_, access_); });
  }

  std::optional<LockedGit> git(const std::string& name, const dockerfile::GitSource& source) override {
    return look_up<LockedGit>(name, [&] {
      LockedGit locked = remote::resolve_git(source);
      (void)remote::fetch_git(source, locked, store_);
      return locked;
    });
  }

  FoundSources take() { return std::move(found_); }

 private:
  void add_platform(const oci::Platform& given) {
    oci::Platform wanted = oci::normalized(given);
    wanted.os_version.clear();  // no lock has it
    if (std::find(platforms_.begin(), platforms_.end(), wanted) == platforms_.end())
      platforms_.push_back(std::move(wanted));
  }

  template <typename Type, typename Body>
  std::optional<Type> look_up(const std::string& name, const Body& body) {
    found_.used.insert(name);
    if (const auto known = known_.find(name); known != known_.end()) return std::get<Type>(known->second);
    const bool is_asked = request_.names.empty() || request_.names.contains(name);
    const Type* locked = before_.find<Type>(name);
    if (!is_asked && locked != nullptr) return *locked;
    if (request_.locked_only && locked == nullptr) {
      if (is_asked) found_.missing.insert_or_assign(name, kind_of(LockedSource(Type{})));
      return std::nullopt;
    }
    Type result = body();
    known_.insert_or_assign(name, result);
    if (is_asked) found_.sources.insert_or_assign(name, result);
    return result;
  }

  LockedImage from_file(const ContextSpec& from, const Reference& reference) const {
    LockedImage image{.tag = reference.tag};
    for (std::size_t i = 0; i < platforms_.size(); ++i) {
      try {
        const oci::ImageSource source = open_named(from, reference, platforms_[i]);
        image.platforms.insert_or_assign(source.platform.string(), take_in(from, source, from.name, store_));
      } catch (const Error&) {
        // Not every platform that something is built for need be there for each image.
        if (i + 1 == platforms_.size() && image.platforms.empty()) throw;
      }
    }
    return image;
  }

  const LockRequest& request_;
  const Lock& before_;
  const store::Store& store_;
  remote::RemoteAccess access_;
  std::vector<oci::Platform> platforms_;
  std::map<std::string, LockedSource> known_;
  FoundSources found_;
};

// The image of "# syntax=", or of the argument that goes before it.
std::string frontend_of(const resolve::Resolved& resolved) {
  for (const auto& [name, value] : resolved.spec.build_args)
    if (name == "BUILDKIT_SYNTAX") return value.substr(0, value.find(' '));
  const auto& syntax = resolved.file.directives.syntax;
  return syntax ? syntax->value.substr(0, syntax->value.find(' ')) : "";
}

}  // namespace

std::string canonical_source(const std::string& text) {
  try {
    const dockerfile::RemoteOrPath source = dockerfile::classify_source(text);
    if (std::holds_alternative<dockerfile::UrlSource>(source)) return remote::without_credentials(text);
    if (const auto* git = std::get_if<dockerfile::GitSource>(&source)) return remote::git_name(*git);
    return Reference::parse(text).string();
  } catch (const Error& error) {
    throw UsageError(error.message(), {.where = text, .hint = error.hint()});
  }
}

FoundSources find_sources(const LockRequest& request, const Lock& before, const store::Store& store) {
  Finder finder(request, before, store);
  for (const BuildSpec& spec : request.specs) {
    const resolve::Resolved resolved = resolve::resolve_image(
        spec, store,
        {.unlocked = request.locked_only ? resolve::Unlocked::left_open : resolve::Unlocked::refused,
         .survey = resolve::Survey{.lock = finder, .all_stages = request.all_stages, .warn = request.warn}});
    const std::string frontend = frontend_of(resolved);
    if (frontend.empty()) continue;
    try {
      (void)finder.image(Reference::parse(frontend));
    } catch (const Error& error) {
      throw Error(error.message(),
                  {.where = error.where().empty() ? spec.dockerfile.native() + ": # syntax=" + frontend
                                                  : error.where(),
                   .hint = error.hint()});
    }
  }
  return finder.take();
}

bool agrees(const LockedSource& entry, const LockedSource& found) {
  const auto* before = std::get_if<LockedImage>(&entry);
  const auto* now = std::get_if<LockedImage>(&found);
  if (before == nullptr || now == nullptr || before->index || now->index) return entry == found;
  return std::all_of(now->platforms.begin(), now->platforms.end(), [&](const auto& platform) {
    const auto there = before->platforms.find(platform.first);
    return there != before->platforms.end() && there->second == platform.second;
  });
}

}  // namespace bottle::image
