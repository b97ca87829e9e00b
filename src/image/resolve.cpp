#include "image/resolve.hpp"

#include <algorithm>
#include <set>

#include "dockerfile/history.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image {
namespace {

using namespace dockerfile;

constexpr const char* kMainContext = "context";

Platform target_platform(const std::string& text) {
  if (text.empty()) return host_platform();
  const auto platform = parse_platform(text);
  if (!platform)
    throw UsageError("\"" + text + "\" is no platform",
                     {.where = "--platform", .hint = "expected os/architecture[/variant]"});
  return normalized(*platform);
}

bool is_remote(const std::string& source) {
  return source.starts_with("http://") || source.starts_with("https://") || source.starts_with("git@") ||
         source.starts_with("git://") || source.starts_with("ssh://");
}

std::string words_text(const char* keyword, const CopyRequest& request, const std::string& from) {
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
  for (const std::string& source : request.sources)
    text += " " + escape_word(source);
  for (const auto& file : request.inlines)
    text += " <<" + escape_word(file.name) + ":" + file.digest.hex();
  return text + " " + escape_word(resolved_destination(request.workdir, request.destination));
}

}  // namespace

Resolved::Resolved(const BuildSpec& spec, const store::Store& store)
    : spec_(spec), epoch_(source_date_epoch()) {
  for (const auto& [name, value] : spec_.build_args)
    values_.build_args[name] = value;
  values_.target_platform = target_platform(spec_.platform);
  values_.target = spec_.target;
  read_dockerfile();

  std::set<std::string> contexts;
  for (const ContextSpec& context : spec_.contexts)
    contexts.insert(context.name);
  plan_ = plan_stages(file_, values_, contexts);
  // A trigger may copy from a stage that nothing else needs, so `needed` can grow until every base has been
  // asked.
  std::set<int> asked;
  for (bool is_settled = false; !is_settled;) {
    is_settled = true;
    for (const int number : std::vector<int>(plan_.needed)) {
      const PlannedStage& stage = plan_.stages[static_cast<std::size_t>(number)];
      if (stage.base.kind != Origin::Kind::named_context || !asked.insert(number).second) continue;
      const OutsideImage& image = open_image(stage.base.name);
      const ImageConfig config(image.config(), image.name(), epoch_);
      if (config.triggers().empty()) continue;
      add_triggers(plan_, file_, number, config.triggers(), contexts);
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

void Resolved::read_dockerfile() {
  constexpr std::uint64_t kLimit = 16u << 20;
  const std::string text = read_file(spec_.dockerfile, kLimit);
  // No path, name or variable can hold one, and it would cut the rest off unseen.
  if (const std::size_t at = text.find('\0'); at != std::string::npos) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    throw Error("expected text, found a NUL byte",
                {.where = spec_.dockerfile.native() + ":" + std::to_string(line) + ":" +
                          std::to_string(at - (text.rfind('\n', at) + 1) + 1)});
  }
  file_ = parse_dockerfile(text, spec_.dockerfile.native());
  dependencies_.push_back(spec_.dockerfile);
}

void Resolved::resolve_stage(int number, const store::Store& store) {
  const PlannedStage& planned = plan_.stages[static_cast<std::size_t>(number)];
  const Position position = planned.from.position;
  // Counted among the needed stages: what others there are in the file is no input.
  const auto name = planned.name.empty() ? std::to_string(stages_.size()) : planned.name;
  Scope scope(*file_.source, file_.escape(), plan_.globals, values_);
  std::optional<ResolvedStage> stage;
  std::string from = "FROM " + planned.base_name;
  switch (planned.base.kind) {
    case Origin::Kind::stage:
      stage.emplace(stages_.at(planned.base.stage).config);
      stage->base_stage = planned.base.stage;
      scope = scopes_.at(planned.base.stage);
      from = "FROM stage " + stages_.at(planned.base.stage).name;
      break;
    case Origin::Kind::named_context: {
      const OutsideImage& image = open_image(planned.base.name);
      stage.emplace(ImageConfig(image.config(), image.name(), epoch_));
      stage->base_image = planned.base.name;
      break;
    }
    case Origin::Kind::scratch:
      stage.emplace(ImageConfig(planned.platform.value_or(values_.target_platform), epoch_));
      break;
    default:
      fail(position,
           "the image \"" + planned.base_name + "\" is neither a stage, nor a named context, nor locked",
           "name where it comes from: CONTEXTS " + planned.base_name +
               "=oci-layout:<directory>, =docker-archive:<file> or " +
               "=bottle:<slug> (bottle-image build: --build-context)");
  }
  if (planned.base.kind != Origin::Kind::stage) scope.add_environment(stage->config.environment());
  stage->config.start_stage();
  stage->name = name;
  stage->lines.push_back({from, false});

  for (const PlannedInstruction& item : planned.instructions) {
    const Instruction expanded = scope.expand(item.instruction).instruction;
    const std::string workdir = stage->config.workdir();
    auto step = expanded.as<Run>() != nullptr
                    ? std::optional<FileStep>(run_step(item, expanded, stage->config, scope, store))
                    : file_step(item, expanded, stage->config, store);
    scope.apply(expanded);
    stage->config.apply(expanded, scope);
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
  CopyRequest& request = step.request;
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
  for (const InlineFile& file : transfer.files) {
    const Digest digest = sha256(file.content);
    request.inlines.push_back({.name = file.name,
                               .digest = digest,
                               .size = file.content.size(),
                               .root = "blob:" + digest.string()});
    step.inline_contents.push_back(file.content);
  }
  take_sources(step, planned, store);
  std::string from = step.source.name;
  if (step.source.kind == FileSource::Kind::stage) from = "stage " + stages_.at(step.source.stage).name;
  if (step.source.kind == FileSource::Kind::scan)
    from = from == kMainContext ? "" : from.substr(from.find(':') + 1);
  step.text = words_text(request.is_add ? "ADD" : "COPY", request, from);
  return step;
}

void Resolved::take_sources(FileStep& step, const PlannedInstruction& planned, const store::Store& store) {
  const Origin origin = planned.origins.empty() ? Origin{} : planned.origins.front();
  for (const std::string& source : step.request.sources)
    if (step.request.is_add && is_remote(source))
      fail(step.position, "ADD of the remote source \"" + source + "\" is not supported yet",
           "download it with a tool of your choice, keep it in the context and ADD the file");
  std::vector<Source> taken;
  try {
    for (const std::string& source : step.request.sources)
      taken.push_back(parse_source(source, step.request.parents, step.request.excludes));
  } catch (const Error& error) {
    fail(step.position, error.message(), error.hint());
  }
  step.source = find_source(origin, step.position, taken, store);
}

FileSource Resolved::find_source(const Origin& origin, const Position& position,
                                 const std::vector<Source>& taken, const store::Store& store) {
  FileSource result;
  switch (origin.kind) {
    case Origin::Kind::stage:
      return {.kind = FileSource::Kind::stage, .name = {}, .set = 0, .stage = origin.stage};
    case Origin::Kind::named_context:
      if (const ContextKind kind = find_context(origin.name)->kind;
          kind != ContextKind::path && kind != ContextKind::target) {
        (void)open_image(origin.name);
        return {.kind = FileSource::Kind::image, .name = origin.name};
      }
      result.name = std::string(kMainContext) + ":" + origin.name;
      break;
    case Origin::Kind::build_context:
      result.name = kMainContext;
      break;
    default:
      fail(position, "\"" + origin.name + "\" is neither a stage nor a named context",
           "add a stage of that name, or CONTEXTS " + origin.name +
               "=path:<directory> (bottle-image build: --build-context)");
  }
  if (taken.empty()) return result;  // heredocs only
  try {
    ContextScan& scan = open_scan(result.name, store);
    for (const Source& source : taken)
      scan.take(source);
    result.set = scan.close();
  } catch (const SourceError&) {
    throw;
  } catch (const Error& error) {
    if (!error.where().empty()) throw;
    fail(position, error.message(), error.hint());
  }
  return result;
}

const ContextSpec* Resolved::find_context(const std::string& name) const {
  const auto found = std::find_if(spec_.contexts.begin(), spec_.contexts.end(),
                                  [&](const ContextSpec& context) { return context.name == name; });
  return found == spec_.contexts.end() ? nullptr : &*found;
}

IgnoreMatcher Resolved::read_ignore(const std::vector<fs::path>& candidates, std::string& name) {
  for (const fs::path& candidate : candidates) {
    // A rule file may appear later, which only its directory's time tells; a build tree changes all the time.
    const fs::path directory = candidate.parent_path();
    if (std::find(spec_.excludes.begin(), spec_.excludes.end(), directory) == spec_.excludes.end())
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

ContextScan& Resolved::open_scan(const std::string& context_name, const store::Store& store) {
  const auto found = scans_.find(context_name);
  if (found != scans_.end()) return *found->second.scan;
  ScanOptions options;
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
    const ContextSpec& context = *find_context(context_name.substr(std::string(kMainContext).size() + 1));
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
  open.scan = std::make_unique<ContextScan>(std::move(options), store.directory());
  return *open.scan;
}

const OutsideImage& Resolved::open_image(const std::string& context_name) {
  const auto found = images_.find(context_name);
  if (found != images_.end()) return *found->second;
  const ContextSpec& context = *find_context(context_name);
  auto image = open_outside(context, values_.target_platform);
  for (const fs::path& path : image->dependencies())
    dependencies_.push_back(path);
  return *images_.emplace(context_name, std::move(image)).first->second;
}

std::map<std::string, fs::path> Resolved::context_roots() const {
  std::map<std::string, fs::path> roots;
  for (const auto& [name, open] : scans_)
    roots.merge(open.scan->context_roots());
  return roots;
}

std::vector<std::string> Resolved::dependencies() const {
  std::vector<std::string> paths;
  for (const fs::path& path : dependencies_)
    paths.push_back(path.native());
  std::sort(paths.begin(), paths.end());
  for (const auto& [name, open] : scans_) {
    std::vector<std::string> more = open.scan->dependencies();
    const auto middle = static_cast<std::ptrdiff_t>(paths.size());
    paths.insert(paths.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    std::inplace_merge(paths.begin(), paths.begin() + middle, paths.end());
  }
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

std::size_t Resolved::files_read() const {
  std::size_t count = 0;
  for (const auto& [name, open] : scans_)
    count += open.scan->files_read();
  return count;
}

}  // namespace bottle::image
