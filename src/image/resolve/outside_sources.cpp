// SPDX-License-Identifier: Apache-2.0
// Images, URLs and repositories that a Dockerfile names: what they stand for, by the lock.
#include <algorithm>

#include "image/model/read_dockerfile.hpp"
#include "image/remote/git.hpp"
#include "image/remote/image.hpp"
#include "image/resolve/resolver.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::resolve {
namespace {

using namespace dockerfile;

std::string platforms_text(const LockedImage& image) {
  std::string text;
  for (const auto& [platform, manifest] : image.platforms)
    text += (text.empty() ? "" : ", ") + platform;
  return text;
}

// What holds nothing: COPY --from=scratch.
class EmptyImage : public OutsideImage {
 public:
  explicit EmptyImage(const oci::Platform& platform)
      : config_("{\"architecture\":\"" + platform.architecture + "\",\"config\":{},\"history\":[],\"os\":\"" +
                platform.os + "\"}") {}
  const std::string& config() const override { return config_; }
  std::string name() const override { return "scratch"; }
  std::string identity() const override { return "nothing"; }
  std::vector<fs::path> dependencies() const override { return {}; }
  LoadedPlan load(const store::Store&) const override {
    LoadedPlan loaded;
    loaded.plan.config = config_;
    return loaded;
  }

 private:
  std::string config_;
};

// In the place of an image that is not there yet.
class NoImage : public EmptyImage {
 public:
  using EmptyImage::EmptyImage;
  std::string name() const override { return "an image that does not exist yet"; }
  LoadedPlan load(const store::Store&) const override { throw Error("the image does not exist yet"); }
};

// A git repository or the file at a URL, as the files of an image with an empty configuration.
class RemoteFiles : public EmptyImage {
 public:
  RemoteFiles(remote::RemoteSource source, const oci::Platform& platform,
              std::shared_ptr<const remote::RemoteAccess> access)
      : EmptyImage(platform), source_(std::move(source)), access_(std::move(access)) {}
  std::string name() const override { return source_.name; }
  std::string identity() const override { return source_.identity(); }
  std::vector<Digest> actions() const override { return {source_.action()}; }
  LoadedPlan load(const store::Store& store) const override {
    LoadedPlan loaded = EmptyImage::load(store);
    loaded.layers.push_back(remote::fetch_source(source_, store, *access_));
    PlanLayer layer;
    layer.digest = loaded.layers.back().digest();
    loaded.plan.layers.push_back(std::move(layer));
    return loaded;
  }

 private:
  remote::RemoteSource source_;
  std::shared_ptr<const remote::RemoteAccess> access_;
};

// A stage or named context that was probably meant, or scratch.
std::string near_hint(const std::string& written, const StagePlan& plan, const BuildSpec& spec) {
  std::vector<std::string> names;
  for (const PlannedStage& stage : plan.stages)
    if (!stage.name.empty()) names.push_back(stage.name);
  const std::size_t stages = names.size();
  for (const ContextSpec& context : spec.contexts)
    names.push_back(context.name);
  const std::string scratch = "scratch";
  names.push_back(scratch);
  const auto near = bottle::nearest(written, names);
  if (!near) return "";
  if (*near == scratch) return "did you mean \"scratch\", the empty image? If not, ";
  const auto place = std::find(names.begin(), names.end(), *near) - names.begin();
  return std::string("did you mean the ") +
         (static_cast<std::size_t>(place) < stages ? "stage" : "named context") + " \"" + *near +
         "\"? If not, ";
}

}  // namespace

std::string Resolver::open_scratch() {
  std::string name = "scratch";
  if (!resolved_.images.contains(name))
    resolved_.images.emplace(name, std::make_unique<EmptyImage>(resolved_.values.target_platform));
  return name;
}

// The lock entry that `look_up` adds. Errors get the Dockerfile's line.
auto Resolver::first_locked(const Position& position, const std::string& name, const auto& look_up) const {
  try {
    return look_up();
  } catch (const Error& error) {
    const std::string place = error.where().empty() ? "" : error.where() + ": ";
    fail(position, "cannot lock \"" + name + "\": " + place + error.message(), error.hint());
  }
}

std::string Resolver::frozen_text() const {
  return frozen_by_.empty() ? "" : "; " + frozen_by_ + " keeps a build from adding it to the lock";
}

std::optional<std::string> Resolver::open_image(const Origin& origin,
                                                const std::optional<oci::Platform>& platform,
                                                const Position& position) {
  const oci::Platform wanted = platform ? normalized(*platform) : resolved_.values.target_platform;
  const ContextSpec* context =
      origin.kind == Origin::Kind::named_context ? find_context(resolved_.spec, origin.name) : nullptr;
  if (context == nullptr) return open_locked(origin.name, origin.name, wanted, position);
  if (context->kind == ContextKind::image)
    return open_locked(origin.name, context->reference, wanted, position);
  const std::string name =
      origin.name + (wanted == resolved_.values.target_platform ? "" : " " + wanted.string());
  if (resolved_.images.contains(name)) return name;
  if (context->kind == ContextKind::remote) {
    RemoteOrPath source;
    try {
      source = classify_source(context->reference);
    } catch (const Error& error) {
      fail(position, error.message(), error.hint());
    }
    auto remote = remote_source(source, position);
    if (!remote) return std::nullopt;
    resolved_.images.emplace(name,
                             std::make_unique<RemoteFiles>(std::move(*remote), wanted, resolved_.access));
    return name;
  }
  std::unique_ptr<OutsideImage> image;
  try {
    image = open_outside(*context, wanted);
  } catch (const Error& error) {
    if (!options_.survey || context->kind != ContextKind::bottle) throw;
    if (options_.survey->warn)
      options_.survey->warn(resolved_.file.source->where(position) + ": warning: the bottle \"" +
                            origin.name + "\" is not built yet, so its variables are unknown to the checks");
    image = std::make_unique<NoImage>(wanted);
  }
  for (const fs::path& path : image->dependencies())
    (context->kind == ContextKind::bottle ? resolved_.plans : resolved_.files).push_back(path);
  resolved_.images.emplace(name, std::move(image));
  return name;
}

std::optional<std::string> Resolver::open_locked(const std::string& written,
                                                 const std::string& reference_text,
                                                 const oci::Platform& platform, const Position& position) {
  oci::Reference reference;
  try {
    reference = oci::Reference::parse(reference_text);
  } catch (const Error& error) {
    fail(position, error.message(), error.hint());
  }
  const std::string canonical = reference.string();
  const std::string name =
      canonical + (platform == resolved_.values.target_platform ? "" : " " + platform.string());
  if (resolved_.images.contains(name)) return name;
  // A digest says what it is; the lock has nothing to add.
  std::optional<LockedImage> locked;
  if (!reference.digest || options_.survey) locked = source_lock().image(reference);
  if (!locked && reference.digest && options_.unlocked != Unlocked::left_open) {
    locked = remote::pinned_image(reference, store_, *resolved_.access);
    resolved_.pinned.insert(*reference.digest);
  }
  if (!locked) {
    if (options_.unlocked == Unlocked::left_open) {
      resolved_.open_sources.insert(written);
      return std::nullopt;
    }
    // A misspelt stage must not become an image of that name, which anyone can publish.
    const std::string near = near_hint(written, resolved_.plan, resolved_.spec);
    if (first_lock_ && near.empty())
      locked = first_locked(position, canonical, [&] { return first_lock_->image(reference); });
    else
      fail(position,
           "the image \"" + written + "\" is not a stage, not a named context and not locked" + frozen_text(),
           near + "lock it with " + remote::update_command(resolved_.spec, canonical) +
               ", or define its source: CONTEXTS " + written +
               "=oci-layout:<directory> (bottle-image build: --build-context)");
  }
  const LockedManifest* manifest = locked->find(platform);
  if (manifest == nullptr)
    fail(position,
         "the image \"" + written + "\" is not available for " + platform.string() + ", only for " +
             platforms_text(*locked),
         "choose one of these with FROM --platform, or lock it again: " +
             remote::update_command(resolved_.spec, canonical));
  std::unique_ptr<OutsideImage> image;
  try {
    image = remote::open_registry_image(reference, *manifest, store_, resolved_.access);
  } catch (const Error&) {
    // Describing a Dockerfile needs no network.
    if (options_.unlocked != Unlocked::left_open) throw;
    resolved_.open_sources.insert(written);
    return std::nullopt;
  }
  resolved_.images.emplace(name, std::move(image));
  return name;
}

std::optional<remote::RemoteSource> Resolver::remote_source(const RemoteOrPath& source,
                                                            const Position& position) {
  remote::RemoteSource remote;
  const auto is_left_open = [&](const char* what) {
    if (options_.unlocked != Unlocked::left_open)
      fail(position, std::string(what) + " \"" + remote.name + "\" is not locked" + frozen_text(),
           "lock it with " + remote::update_command(resolved_.spec, remote.name));
    resolved_.open_sources.insert(remote.name);
    return true;
  };
  if (const auto* url = std::get_if<UrlSource>(&source)) {
    remote.name = remote::without_credentials(url->url);
    const std::string& file_name = url->file_name;
    if (file_name == ".." || oci::path_defect(file_name) != nullptr ||
        file_name.find('/') != std::string::npos)
      fail(position, "\"" + escape_word(file_name) + "\" of the URL is not a valid file name",
           "download the file under another name");
    remote::UrlExpectation expected;
    if (!url->checksum.empty()) {
      expected.digest = Digest::parse(url->checksum);
      expected.hint = "check the checksum in the Dockerfile and the file at the URL";
    } else {
      auto locked = source_lock().url(remote.name, url->url);
      if (!locked && first_lock_)
        locked = first_locked(position, remote.name, [&] { return first_lock_->url(remote.name, url->url); });
      if (!locked && is_left_open("the URL")) return std::nullopt;
      expected = {.digest = locked->digest,
                  .size = locked->size,
                  .hint = "review the change with bottle-lock check, and accept it with " +
                          remote::update_command(resolved_.spec, remote.name)};
    }
    remote.what = remote::RemoteUrl{*url, expected};
    return remote;
  }
  const auto& git = std::get<GitSource>(source);
  remote.name = remote::git_name(git);
  LockedGit locked;
  if (const std::string commit = remote::pinned_commit(git); !commit.empty()) {
    locked = remote::resolve_git(git);  // sends no request
  } else {
    auto found = source_lock().git(remote.name, git);
    if (!found && first_lock_)
      found = first_locked(position, remote.name, [&] { return first_lock_->git(remote.name, git); });
    if (!found && is_left_open("the repository")) return std::nullopt;
    locked = *found;
    if (!locked.commit.starts_with(git.checksum))
      fail(position,
           "\"" + remote.name + "\" is locked as " + locked.commit + ", which is not " + git.checksum,
           "lock it again: " + remote::update_command(resolved_.spec, remote.name));
  }
  remote.what = remote::RemoteGit{git, locked};
  return remote;
}

}  // namespace bottle::image::resolve
