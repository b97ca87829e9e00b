// SPDX-License-Identifier: Apache-2.0
#include "image/resolve/resolver.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "dockerfile/git_source.hpp"
#include "dockerfile/history.hpp"
#include "image/model/read_dockerfile.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::resolve {
namespace {

using namespace dockerfile;

// The instruction as histories may show it: without passwords.
Instruction recorded(const Instruction& instruction) {
  Instruction result = instruction;
  if (Add* add = result.as<Add>())
    for (std::string& source : add->transfer.sources)
      if (is_remote_source(source)) source = remote::without_credentials(source);
  return result;
}

}  // namespace

Resolver::Resolver(const BuildSpec& spec, const store::Store& store, ResolveOptions options)
    : store_(store), options_(std::move(options)), lock_(lock_file(spec)) {
  resolved_.spec = spec;
  resolved_.epoch = source_date_epoch(spec);
  resolved_.access = std::make_shared<remote::RemoteAccess>();
  if (options_.unlocked != Unlocked::added) return;
  frozen_by_ = remote::lock_is_frozen_by(spec);
  if (frozen_by_.empty()) first_lock_.emplace(lock_, store, *resolved_.access, std::move(options_.say));
}

Resolved Resolver::resolve() && {
  for (const fs::path& program : resolved_.spec.engine_programs)
    resolved_.files.push_back(program);
  resolved_.values = build_values(resolved_.spec);
  give_epoch();
  resolved_.file = read_dockerfile(resolved_.spec);
  resolved_.files.push_back(resolved_.spec.dockerfile);
  const std::set<std::string> contexts = context_names(resolved_.spec);
  resolved_.plan = plan_stages(resolved_.file, resolved_.values, contexts);
  decide_epoch();
  const auto need_all = [&] {
    if (!options_.survey || !options_.survey->all_stages) return;
    resolved_.plan.needed.resize(resolved_.plan.stages.size());
    std::iota(resolved_.plan.needed.begin(), resolved_.plan.needed.end(), 0);
  };
  need_all();
  // A trigger may copy from a stage that nothing else needs, so `needed` can grow until every base has been
  // asked.
  std::set<int> asked;
  for (bool is_settled = false; !is_settled;) {
    is_settled = true;
    for (const int number : std::vector<int>(resolved_.plan.needed)) {
      const PlannedStage& stage = resolved_.plan.stages[static_cast<std::size_t>(number)];
      const bool is_image =
          stage.base.kind == Origin::Kind::named_context || stage.base.kind == Origin::Kind::image;
      if (!is_image || !asked.insert(number).second) continue;
      const auto name = open_image(stage.base, stage.platform, stage.from.position);
      if (!name) continue;
      const OutsideImage& image = *resolved_.images.at(*name);
      const ImageConfig config(image.config(), image.name(), resolved_.epoch);
      if (config.triggers().empty()) continue;
      add_triggers(resolved_.plan, resolved_.file, number, config.triggers(), contexts);
      need_all();
      is_settled = false;
      break;
    }
  }
  for (const int number : resolved_.plan.needed)
    resolve_stage(number);
  for (const auto& [name, value] : resolved_.spec.labels)
    resolved_.stages.at(resolved_.plan.target).config.set_label(name, value);
  for (auto& [name, open] : resolved_.scans)
    open.scan->digest_files();
  resolved_.lock_files = lock_.dependencies();
  resolved_.has_added_to_lock = first_lock_ && first_lock_->has_added();
  return std::move(resolved_);
}

void Resolver::fail(const Position& position, const std::string& message, const std::string& hint) const {
  throw SourceError(*resolved_.file.source, position, message, hint);
}

void Resolver::resolve_stage(int number) {
  const PlannedStage& planned = resolved_.plan.stages[static_cast<std::size_t>(number)];
  const Position position = planned.from.position;
  // Counted among the needed stages: the other stages of the file are not an input.
  const std::string ordinal = std::to_string(resolved_.stages.size());
  Scope scope(*resolved_.file.source, resolved_.file.escape(), resolved_.plan.globals, resolved_.values);
  std::optional<ResolvedStage> stage;
  std::string from = "FROM " + planned.base_name;
  switch (planned.base.kind) {
    case Origin::Kind::stage:
      stage.emplace(resolved_.stages.at(planned.base.stage).config);
      stage->base_stage = planned.base.stage;
      scope = scopes_.at(planned.base.stage);
      scope.start_stage();
      from = "FROM stage " + resolved_.stages.at(planned.base.stage).number;
      break;
    case Origin::Kind::scratch:  // BuildKit has no ear for --platform here
      stage.emplace(ImageConfig(resolved_.values.target_platform, resolved_.epoch));
      break;
    default: {
      const auto image_name = open_image(planned.base, planned.platform, position);
      if (!image_name) {
        stage.emplace(
            ImageConfig(planned.platform.value_or(resolved_.values.target_platform), resolved_.epoch));
        break;
      }
      const OutsideImage& image = *resolved_.images.at(*image_name);
      stage.emplace(ImageConfig(image.config(), image.name(), resolved_.epoch));
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
    auto step = step_of(item, expanded, stage->config, scope);
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
  stage->arguments = scope.declared();
  scopes_.insert_or_assign(number, std::move(scope));
  resolved_.stages.emplace(number, std::move(*stage));
}

Resolved resolve_image(const BuildSpec& spec, const store::Store& store, ResolveOptions options) {
  return Resolver(spec, store, std::move(options)).resolve();
}

}  // namespace bottle::image::resolve
