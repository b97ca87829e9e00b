#include "image/resolve/resolve.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "copy/mode.hpp"
#include "dockerfile/git_source.hpp"
#include "dockerfile/history.hpp"
#include "image/model/read_dockerfile.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::resolve {
namespace {

using namespace dockerfile;

constexpr const char* kMainContext = "context";

// The instruction as histories may show it: without passwords.
Instruction recorded(const Instruction& instruction) {
  Instruction result = instruction;
  if (Add* add = result.as<Add>())
    for (std::string& source : add->transfer.sources)
      if (is_remote_source(source)) source = remote::without_credentials(source);
  return result;
}

std::string words_text(const char* keyword, const FileStep& step, const std::string& from) {
  const copy::CopyRequest& request = step.request;
  std::string text = keyword;
  const auto flag = [&](const char* name, const std::string& value) {
    text += std::string(" --") + name + "=" + escape_word(value);
  };
  if (!from.empty()) flag("from", from);
  if (request.chown) flag("chown", *request.chown);
  if (request.chmod) flag("chmod", *request.chmod);
  if (request.link) text += " --link";
  if (request.parents) text += " --parents";
  if (request.unpack) flag("unpack", *request.unpack ? "true" : "false");
  for (const std::string& exclude : request.excludes)
    flag("exclude", exclude);
  for (std::size_t i = 0; i < request.sources.size(); ++i) {
    const auto remote = std::find_if(step.remotes.begin(), step.remotes.end(),
                                     [&](const remote::RemoteSource& source) { return source.number == i; });
    if (remote == step.remotes.end())
      text += " " + escape_word(request.sources[i]);
    else
      text += " " + escape_word(remote->name) + " (" + remote->identity() + ")";
  }
  for (const auto& file : request.inlines)
    text += " <<" + escape_word(file.name) + ":" + file.digest.hex();
  return text + " " + escape_word(resolved_destination(request.workdir, request.destination));
}

}  // namespace

oci::LayerIndex FileStep::taken_of(const oci::MergedTree& tree) const {
  return copy::selected_entries(tree, request, [&](std::size_t number) {
    return std::any_of(remotes.begin(), remotes.end(),
                       [&](const remote::RemoteSource& remote) { return remote.number == number; });
  });
}

Resolved::Resolved(const BuildSpec& spec, const store::Store& store, Unlocked unlocked)
    : spec_(spec),
      unlocked_(unlocked),
      lock_(lock_file(spec)),
      access_(std::make_shared<remote::RemoteAccess>()),
      epoch_(source_date_epoch(spec)) {
  resolve(store);
}

Resolved::Resolved(const BuildSpec& spec, const store::Store& store, remote::FirstLock::Say say)
    : spec_(spec),
      unlocked_(Unlocked::added),
      lock_(lock_file(spec)),
      access_(std::make_shared<remote::RemoteAccess>()),
      frozen_by_(remote::lock_is_frozen_by(spec)),
      epoch_(source_date_epoch(spec)) {
  if (frozen_by_.empty()) first_lock_.emplace(lock_, store, *access_, std::move(say));
  resolve(store);
}

Resolved::Resolved(const BuildSpec& spec, const store::Store& store, RecordedInputs recorded)
    : spec_(spec),
      recorded_(std::move(recorded)),
      lock_(lock_file(spec)),
      access_(std::make_shared<remote::RemoteAccess>()),
      epoch_(source_date_epoch(spec)) {
  resolve(store);
}

Resolved::Resolved(const BuildSpec& spec, const store::Store& store, const Survey& survey)
    : spec_(spec),
      unlocked_(survey.locked_only ? Unlocked::left_open : Unlocked::refused),
      survey_(survey),
      lock_(lock_file(spec)),
      access_(std::make_shared<remote::RemoteAccess>()),
      epoch_(source_date_epoch(spec)) {
  resolve(store);
}

void Resolved::resolve(const store::Store& store) {
  for (const fs::path& program : spec_.engine_programs)
    dependencies_.push_back(program);
  values_ = build_values(spec_);
  give_epoch();
  file_ = read_dockerfile(spec_);
  dependencies_.push_back(spec_.dockerfile);
  const std::set<std::string> contexts = context_names(spec_);
  plan_ = plan_stages(file_, values_, contexts);
  decide_epoch(store);
  const auto need_all = [&] {
    if (!survey_ || !survey_->all_stages) return;
    plan_.needed.resize(plan_.stages.size());
    std::iota(plan_.needed.begin(), plan_.needed.end(), 0);
  };
  need_all();
  // A trigger may copy from a stage that nothing else needs, so `needed` can grow until every base has been
  // asked.
  std::set<int> asked;
  for (bool is_settled = false; !is_settled;) {
    is_settled = true;
    for (const int number : std::vector<int>(plan_.needed)) {
      const PlannedStage& stage = plan_.stages[static_cast<std::size_t>(number)];
      const bool is_image =
          stage.base.kind == Origin::Kind::named_context || stage.base.kind == Origin::Kind::image;
      if (!is_image || !asked.insert(number).second) continue;
      const auto name = open_image(stage.base, stage.platform, stage.from.position, store);
      if (!name) continue;
      const OutsideImage& image = *images_.at(*name);
      const ImageConfig config(image.config(), image.name(), epoch_);
      if (config.triggers().empty()) continue;
      add_triggers(plan_, file_, number, config.triggers(), contexts);
      need_all();
      is_settled = false;
      break;
    }
  }
  for (const int number : plan_.needed)
    resolve_stage(number, store);
  for (const auto& [name, value] : spec_.labels)
    stages_.at(plan_.target).config.set_label(name, value);
  for (auto& [name, open] : scans_)
    open.scan->digest_files();
}

Resolved::~Resolved() = default;

void Resolved::fail(const Position& position, const std::string& message, const std::string& hint) const {
  throw SourceError(*file_.source, position, message, hint);
}

void Resolved::resolve_stage(int number, const store::Store& store) {
  const PlannedStage& planned = plan_.stages[static_cast<std::size_t>(number)];
  const Position position = planned.from.position;
  // Counted among the needed stages: the other stages of the file are not an input.
  const std::string ordinal = std::to_string(stages_.size());
  Scope scope(*file_.source, file_.escape(), plan_.globals, values_);
  std::optional<ResolvedStage> stage;
  std::string from = "FROM " + planned.base_name;
  switch (planned.base.kind) {
    case Origin::Kind::stage:
      stage.emplace(stages_.at(planned.base.stage).config);
      stage->base_stage = planned.base.stage;
      scope = scopes_.at(planned.base.stage);
      scope.start_stage();
      from = "FROM stage " + stages_.at(planned.base.stage).number;
      break;
    case Origin::Kind::scratch:  // BuildKit has no ear for --platform here
      stage.emplace(ImageConfig(values_.target_platform, epoch_));
      break;
    default: {
      const auto image_name = open_image(planned.base, planned.platform, position, store);
      if (!image_name) {
        stage.emplace(ImageConfig(planned.platform.value_or(values_.target_platform), epoch_));
        break;
      }
      const OutsideImage& image = *images_.at(*image_name);
      stage.emplace(ImageConfig(image.config(), image.name(), epoch_));
      stage->base_image = *image_name;
    }
  }
  if (planned.base.kind != Origin::Kind::stage) scope.add_environment(stage->config.environment());
  stage->config.start_stage();
  stage->name = planned.name.empty() ? ordinal : planned.name;
  stage->number = ordinal;
  stage->lines.push_back({from, false});

  for (const PlannedInstruction& item : planned.instructions) {
    const Instruction expanded = scope.expand(item.instruction).instruction;
    const std::string workdir = stage->config.workdir();
    auto step = expanded.as<Run>() != nullptr
                    ? std::optional<FileStep>(run_step(item, expanded, stage->config, scope, store))
                    : file_step(item, expanded, stage->config, store);
    scope.apply(expanded);
    stage->config.apply(recorded(expanded), scope);
    if (step) {
      stage->lines.push_back({step->text, true});
      stage->steps.push_back(std::move(*step));
    } else {
      const std::vector<std::string> shell = stage->config.shell();
      const auto text = created_by(expanded, {.shell = shell, .workdir = workdir, .scope = &scope});
      stage->lines.push_back({text ? *text : expanded.text, false});
    }
  }
  scopes_.insert_or_assign(number, scope);
  stages_.emplace(number, std::move(*stage));
}

std::optional<FileStep> Resolved::file_step(const PlannedInstruction& planned, const Instruction& expanded,
                                            const ImageConfig& config, const store::Store& store) {
  FileStep step;
  step.position = expanded.position;
  step.where = file_.source->where(expanded.position);
  if (const auto* workdir = expanded.as<Workdir>()) {
    step.kind = FileStep::Kind::workdir;
    step.directory = resolved_workdir(config.workdir(), workdir->path);
    step.user = config.user();
    step.text =
        "WORKDIR " + escape_word(step.directory) + (step.user.empty() ? "" : " as " + escape_word(step.user));
    if (step.directory == "/") return std::nullopt;
    return step;
  }
  const auto* copy = expanded.as<Copy>();
  const auto* add = expanded.as<Add>();
  if (copy == nullptr && add == nullptr) return std::nullopt;

  const auto text_or_none = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string>(text);
  };
  const Transfer& transfer = copy != nullptr ? copy->transfer : add->transfer;
  copy::CopyRequest& request = step.request;
  request.is_add = add != nullptr;
  request.sources = transfer.sources;
  request.destination = transfer.destination;
  request.workdir = config.workdir();
  request.chown = text_or_none(copy != nullptr ? copy->chown : add->chown);
  request.chmod = text_or_none(copy != nullptr ? copy->chmod : add->chmod);
  request.link = copy != nullptr ? copy->link : add->link;
  request.parents = copy != nullptr && copy->parents;
  request.excludes = copy != nullptr ? copy->excludes : add->excludes;
  if (add != nullptr) request.unpack = add->unpack;
  request.epoch = epoch_;
  std::vector<RemoteOrPath> kinds;
  try {
    kinds = copy != nullptr ? classify_sources(*copy) : classify_sources(*add);
  } catch (const SourceKindError& error) {
    fail(step.position, error.message(), error.hint());
  }
  for (const InlineFile& file : transfer.files) {
    const Digest digest = sha256(file.content);
    request.inlines.push_back({.name = file.name,
                               .digest = digest,
                               .size = file.content.size(),
                               .root = "blob:" + digest.string()});
    step.inline_contents.push_back(file.content);
  }
  take_sources(step, planned, kinds, store);
  std::string from = step.source.name;
  if (step.source.kind == FileSource::Kind::stage) from = "stage " + stages_.at(step.source.stage).number;
  if (step.source.kind == FileSource::Kind::scan)
    from = from == kMainContext ? "" : from.substr(from.find(':') + 1);
  step.text = words_text(request.is_add ? "ADD" : "COPY", step, from);
  return step;
}

void Resolved::take_sources(FileStep& step, const PlannedInstruction& planned,
                            const std::vector<RemoteOrPath>& kinds, const store::Store& store) {
  const Origin origin = planned.origins.empty() ? Origin{} : planned.origins.front();
  std::vector<copy::Source> taken;
  try {
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (std::holds_alternative<PathSource>(kinds[i])) {
        taken.push_back(
            copy::parse_source(step.request.sources[i], step.request.parents, step.request.excludes));
      } else if (auto remote = remote_source(kinds[i], step.position)) {
        remote->number = i;
        step.remotes.push_back(std::move(*remote));
      }
    }
    if (step.request.chmod) (void)copy::ModeChange::parse(*step.request.chmod);
  } catch (const SourceError&) {
    throw;
  } catch (const Error& error) {
    if (!error.where().empty()) throw;
    fail(step.position, error.message(), error.hint());
  }
  // The other engines have their own rules.
  const copy::EntryDetail detail =
      is_builtin(spec_) ? copy::EntryDetail::of(step.request) : copy::EntryDetail{};
  step.source = find_source(origin, step.position, taken, detail, store);
}

FileSource Resolved::find_source(const Origin& origin, const Position& position,
                                 const std::vector<copy::Source>& taken, const copy::EntryDetail& detail,
                                 const store::Store& store) {
  FileSource result;
  switch (origin.kind) {
    case Origin::Kind::stage:
      return {.kind = FileSource::Kind::stage, .name = {}, .set = 0, .stage = origin.stage};
    case Origin::Kind::named_context:
      if (const ContextKind kind = find_context(spec_, origin.name)->kind;
          kind == ContextKind::path || kind == ContextKind::target) {
        result.name = std::string(kMainContext) + ":" + origin.name;
        break;
      }
      [[fallthrough]];
    case Origin::Kind::image: {
      const auto image = open_image(origin, std::nullopt, position, store);
      return {.kind = FileSource::Kind::image, .name = image.value_or(origin.name)};
    }
    case Origin::Kind::build_context:
      result.name = kMainContext;
      break;
    case Origin::Kind::scratch:
      return {.kind = FileSource::Kind::image, .name = open_scratch()};
  }
  if (survey_) return result;
  if (taken.empty()) return result;  // heredocs and what is fetched only
  try {
    context::ContextScan& scan = open_scan(result.name, store);
    for (const copy::Source& source : taken)
      scan.take(source);
    result.set = scan.close(detail);
  } catch (const SourceError&) {
    throw;
  } catch (const Error& error) {
    if (!error.where().empty()) throw;
    fail(position, error.message(), error.hint());
  }
  return result;
}

IgnoreMatcher Resolved::read_ignore(const std::vector<fs::path>& candidates, std::string& name) {
  for (const fs::path& candidate : candidates) {
    // A rule file may appear later, which only its directory's time tells; a build tree changes all the time.
    const fs::path directory = candidate.parent_path();
    if (std::none_of(spec_.excludes.begin(), spec_.excludes.end(), [&](const fs::path& exclude) {
          std::error_code none;
          return exclude == directory || fs::equivalent(exclude, directory, none);
        }))
      dependencies_.push_back(directory);
    const auto text = read_file_if_exists(candidate, 16u << 20);
    if (!text) continue;
    dependencies_.push_back(candidate);
    name = candidate.native();
    try {
      return IgnoreMatcher(read_ignore_file(*text));
    } catch (const IgnoreError& error) {
      throw Error(error.message(), {.where = name, .hint = error.hint()});
    }
  }
  return IgnoreMatcher();
}

context::ContextScan& Resolved::open_scan(const std::string& context_name, const store::Store& store) {
  const auto found = scans_.find(context_name);
  if (found != scans_.end()) return *found->second.scan;
  context::ScanOptions options;
  options.root_name = context_name;
  options.excludes = spec_.excludes;
  options.git_modes = spec_.git_modes;
  OpenScan& open = scans_[context_name];
  if (context_name == kMainContext) {
    options.root = spec_.context;
    open.ignore =
        read_ignore({fs::path(spec_.dockerfile.native() + ".dockerignore"), spec_.context / ".dockerignore"},
                    options.ignore_name);
  } else {
    const ContextSpec& context =
        *find_context(spec_, context_name.substr(std::string(kMainContext).size() + 1));
    if (context.kind == ContextKind::target) {
      options.root = spec_.directory / "contexts" / context.name;
      for (const fs::path& file : context.files)
        options.files[file.filename().native()] = file;
    } else {
      options.root = context.value;
      open.ignore = read_ignore({context.value / ".dockerignore"}, options.ignore_name);
    }
  }
  options.ignore = &open.ignore;
  if (recorded_) options.recorded = recorded_->take(context_name);
  open.scan = std::make_unique<context::ContextScan>(std::move(options), store.directory());
  return *open.scan;
}

std::map<std::string, fs::path> Resolved::context_roots() const {
  std::map<std::string, fs::path> roots;
  for (const auto& [name, open] : scans_)
    roots.merge(open.scan->context_roots());
  return roots;
}

std::vector<std::string> Resolved::scan_names() const {
  std::vector<std::string> names;
  for (const auto& [name, open] : scans_)
    names.push_back(name);
  return names;
}

std::vector<std::string> Resolved::notes() const {
  std::vector<std::string> notes;
  for (const auto& [name, open] : scans_)
    for (const std::string& tree : open.scan->build_trees())
      notes.push_back((open.scan->named_paths().front() / tree).native() +
                      ": note: a CMake build tree is excluded from the image; list it in .dockerignore to "
                      "hide this note, or name it as a source of COPY to include it");
  return notes;
}

std::size_t Resolved::files_read() const {
  std::size_t count = 0;
  for (const auto& [name, open] : scans_)
    count += open.scan->files_read();
  return count;
}

}  // namespace bottle::image::resolve
