// Images, URLs and repositories that a Dockerfile names: what they stand for, by the lock.
#include <algorithm>

#include "image/model/read_dockerfile.hpp"
#include "image/remote/git.hpp"
#include "image/remote/image.hpp"
#include "image/resolve/resolve.hpp"
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

// A stage or named context that was probably meant.
std::string near_hint(const std::string& written, const StagePlan& plan, const BuildSpec& spec) {
  std::vector<std::string> names;
  for (const PlannedStage& stage : plan.stages)
    if (!stage.name.empty()) names.push_back(stage.name);
  const std::size_t stages = names.size();
  for (const ContextSpec& context : spec.contexts)
    names.push_back(context.name);
  const auto near = bottle::nearest(written, names);
  if (!near) return "";
  const auto place = std::find(names.begin(), names.end(), *near) - names.begin();
  return std::string("did you mean the ") +
         (static_cast<std::size_t>(place) < stages ? "stage" : "named context") + " \"" + *near +
         "\"? If not, ";
}

}  // namespace

std::string Resolved::open_scratch() {
  std::string name = "scratch";
  if (!images_.contains(name)) images_.emplace(name, std::make_unique<EmptyImage>(values_.target_platform));
  return name;
}

// The lock entry that `look_up` adds. Errors get the Dockerfile's line.
auto Resolved::first_locked(const Position& position, const std::string& name, const auto& look_up) const {
  try {
    return look_up();
  } catch (const Error& error) {
    const std::string place = error.where().empty() ? "" : error.where() + ": ";
    fail(position, "cannot lock \"" + name + "\": " + place + error.message(), error.hint());
  }
}

std::string Resolved::frozen_text() const {
  return frozen_by_.empty() ? "" : "; " + frozen_by_ + " keeps a build from adding it to the lock";
}

std::optional<std::string> Resolved::open_image(const Origin& origin,
                                                const std::optional<oci::Platform>& platform,
                                                const Position& position, const store::Store& store) {
  const oci::Platform wanted = platform ? normalized(*platform) : values_.target_platform;
  const ContextSpec* context =
      origin.kind == Origin::Kind::named_context ? find_context(spec_, origin.name) : nullptr;
  if (context == nullptr) return open_locked(origin.name, origin.name, wanted, position, store);
  if (context->kind == ContextKind::image)
    return open_locked(origin.name, context->reference, wanted, position, store);
  const std::string name = origin.name + (wanted == values_.target_platform ? "" : " " + wanted.string());
  if (images_.contains(name)) return name;
  if (context->kind == ContextKind::remote) {
    RemoteOrPath source;
    try {
      source = classify_source(context->reference);
    } catch (const Error& error) {
      fail(position, error.message(), error.hint());
    }
    auto remote = remote_source(source, position);
    if (!remote) return std::nullopt;
    images_.emplace(name, std::make_unique<RemoteFiles>(std::move(*remote), wanted, access_));
    return name;
  }
  std::unique_ptr<OutsideImage> image;
  try {
    image = open_outside(*context, wanted);
  } catch (const Error& error) {
    if (!survey_ || context->kind != ContextKind::bottle) throw;
    if (survey_->warn)
      survey_->warn(file_.source->where(position) + ": warning: the bottle \"" + origin.name +
                    "\" is not built yet, so its variables are unknown to the checks");
    image = std::make_unique<NoImage>(wanted);
  }
  for (const fs::path& path : image->dependencies())
    (context->kind == ContextKind::bottle ? plans_ : dependencies_).push_back(path);
  images_.emplace(name, std::move(image));
  return name;
}

std::optional<std::string> Resolved::open_locked(const std::string& written,
                                                 const std::string& reference_text,
                                                 const oci::Platform& platform, const Position& position,
                                                 const store::Store& store) {
  registry::Reference reference;
  try {
    reference = registry::Reference::parse(reference_text);
  } catch (const Error& error) {
    fail(position, error.message(), error.hint());
  }
  const std::string canonical = reference.string();
  const std::string name = canonical + (platform == values_.target_platform ? "" : " " + platform.string());
  if (images_.contains(name)) return name;
  // A digest says what it is; the lock has nothing to add.
  std::optional<LockedImage> locked;
  if (!reference.digest || survey_) locked = source_lock().image(reference);
  if (!locked && reference.digest && unlocked_ != Unlocked::left_open) {
    locked = remote::pinned_image(reference, store, *access_);
    pinned_.insert(*reference.digest);
  }
  if (!locked) {
    if (unlocked_ == Unlocked::left_open) {
      open_sources_.insert(written);
      return std::nullopt;
    }
    // A misspelt stage must not become an image of that name, which anyone can publish.
    const std::string near = near_hint(written, plan_, spec_);
    if (first_lock_ && near.empty())
      locked = first_locked(position, canonical, [&] { return first_lock_->image(reference); });
    else
      fail(position,
           "the image \"" + written + "\" is not a stage, not a named context and not locked" + frozen_text(),
           near + "lock it with " + remote::update_command(spec_, canonical) +
               ", or define its source: CONTEXTS " + written +
               "=oci-layout:<directory> (bottle-image build: --build-context)");
  }
  const LockedManifest* manifest = locked->find(platform);
  if (manifest == nullptr)
    fail(position,
         "the image \"" + written + "\" is not available for " + platform.string() + ", only for " +
             platforms_text(*locked),
         "choose one of these with FROM --platform, or lock it again: " +
             remote::update_command(spec_, canonical));
  std::unique_ptr<OutsideImage> image;
  try {
    image = remote::open_registry_image(reference, *manifest, store, access_);
  } catch (const Error&) {
    // Describing a Dockerfile needs no network.
    if (unlocked_ != Unlocked::left_open) throw;
    open_sources_.insert(written);
    return std::nullopt;
  }
  images_.emplace(name, std::move(image));
  return name;
}

std::optional<remote::RemoteSource> Resolved::remote_source(const RemoteOrPath& source,
                                                            const Position& position) {
  remote::RemoteSource remote;
  const auto is_left_open = [&](const char* what) {
    if (unlocked_ != Unlocked::left_open)
      fail(position, std::string(what) + " \"" + remote.name + "\" is not locked" + frozen_text(),
           "lock it with " + remote::update_command(spec_, remote.name));
    open_sources_.insert(remote.name);
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
                          remote::update_command(spec_, remote.name)};
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
           "lock it again: " + remote::update_command(spec_, remote.name));
  }
  remote.what = remote::RemoteGit{git, locked};
  return remote;
}

std::vector<Digest> Resolved::source_actions() const {
  std::set<Digest> keys;
  if (epoch_action_) keys.insert(*epoch_action_);
  for (const Digest& digest : pinned_)
    keys.insert(remote::document_action(digest));
  for (const auto& [name, image] : images_)
    for (const Digest& key : image->actions())
      keys.insert(key);
  for (const auto& [number, stage] : stages_)
    for (const FileStep& step : stage.steps)
      for (const remote::RemoteSource& source : step.remotes)
        keys.insert(source.action());
  return {keys.begin(), keys.end()};
}

std::vector<oci::LayerIndex> Resolved::fetch(const FileStep& step, const store::Store& store) const {
  std::vector<oci::LayerIndex> layers;
  for (const remote::RemoteSource& source : step.remotes)
    layers.push_back(remote::fetch_source(source, store, *access_));
  return layers;
}

}  // namespace bottle::image::resolve
