// SPDX-License-Identifier: Apache-2.0
#include "image/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "dockerfile/describe.hpp"
#include "dockerfile/git_source.hpp"
#include "dockerfile/text.hpp"
#include "image/model/read_dockerfile.hpp"
#include "image/remote/git.hpp"
#include "image/remote/url.hpp"
#include "util/file.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

using namespace dockerfile;

// What one instruction takes from elsewhere.
struct Needs {
  std::set<int> stages;
  std::set<std::string> contexts;  // "context" is the build context
  std::set<std::string> sources;   // outside images, URLs, git repositories
};

void add_source(Needs& needs, const FileSource& source) {
  if (const auto* files = std::get_if<ContextFiles>(&source)) needs.contexts.insert(files->context);
  if (const auto* stage = std::get_if<StageFiles>(&source)) needs.stages.insert(stage->stage);
  if (const auto* image = std::get_if<ImageFiles>(&source)) needs.sources.insert(image->image);
}

Needs needs_of(const resolve::FileStep& step) {
  Needs needs;
  if (const auto* copy = step.as<resolve::CopyStep>()) {
    bool takes_paths = false;
    for (const std::string& text : copy->request.sources) {
      const RemoteOrPath source = classify_source(text);
      if (const auto* url = std::get_if<UrlSource>(&source))
        needs.sources.insert(remote::without_credentials(url->url));
      else if (const auto* git = std::get_if<GitSource>(&source))
        needs.sources.insert(remote::git_name(*git));
      else
        takes_paths = true;
    }
    if (takes_paths) add_source(needs, copy->source);
  }
  if (step.as<resolve::RunStep>() != nullptr)
    for (const FileSource* source : step.sources())
      add_source(needs, *source);
  return needs;
}

// The name of a scan without its prefix, as the user wrote it.
std::string shown_context(const std::string& name) {
  const std::size_t colon = name.find(':');
  return colon == std::string::npos ? name : name.substr(colon + 1);
}

OrderedJson line_range(const LineRange& lines) {
  return {lines.first, lines.last};
}

// Calls visit(stage number, instruction as planned, line of the resolved stage, step or null) in order.
void for_each_instruction(const resolve::Resolved& resolved, const auto& visit) {
  for (const auto& [number, stage] : resolved.stages) {
    const PlannedStage& planned = resolved.plan.stages[static_cast<std::size_t>(number)];
    std::size_t next = 0;
    for (std::size_t i = 0; i < planned.instructions.size(); ++i) {
      const resolve::ResolvedStage::Line& line = stage.lines[i + 1];
      visit(number, planned.instructions[i], line, line.makes_layer ? &stage.steps[next++] : nullptr);
    }
  }
}

OrderedJson base_of(const resolve::Resolved& resolved, int number) {
  const PlannedStage& planned = resolved.plan.stages[static_cast<std::size_t>(number)];
  const Origin& origin = planned.base;
  switch (origin.kind) {
    case Origin::Kind::stage:
      return {{"kind", "stage"}, {"stage", origin.stage}};
    case Origin::Kind::scratch:
      return {{"kind", "scratch"}};
    case Origin::Kind::named_context:
      return {{"kind", "context"}, {"name", origin.name}};
    default:
      return {{"kind", "image"}, {"name", origin.name}};
  }
}

std::optional<std::string> base_source(const resolve::ResolvedStage& stage, const PlannedStage& planned) {
  if (!stage.base_image.empty()) return stage.base_image;
  return planned.base.kind == Origin::Kind::image ? std::optional(planned.base.name) : std::nullopt;
}

OrderedJson files_of(const context::ContextScan& scan) {
  OrderedJson files = OrderedJson::array();
  scan.for_each_entry([&](const oci::Entry& entry) {
    OrderedJson each{{"path", entry.path}};
    const bool is_link = entry.type == oci::EntryType::symlink;
    each["type"] = entry.type == oci::EntryType::file        ? "file"
                   : entry.type == oci::EntryType::directory ? "directory"
                   : is_link                                 ? "symlink"
                                                             : "special";
    if (!is_link) each["mode"] = fmt::format("{:04o}", entry.mode);
    if (is_link) each["link"] = entry.link;
    if (entry.type == oci::EntryType::file) {
      each["size"] = entry.size;
      each["digest"] = entry.digest.string();
    }
    files.push_back(std::move(each));
  });
  return files;
}

OrderedJson sources_of(const resolve::Resolved& resolved) {
  struct Use {
    std::set<std::string> instructions;
    std::set<int> lines;
  };
  std::map<std::string, Use> uses;
  const auto note = [&](const std::string& name, const Instruction& instruction) {
    uses[name].instructions.insert(to_upper(instruction.keyword));
    uses[name].lines.insert(instruction.lines.first);
  };
  for (const auto& [number, stage] : resolved.stages) {
    const PlannedStage& planned = resolved.plan.stages[static_cast<std::size_t>(number)];
    if (const auto name = base_source(stage, planned)) note(*name, planned.from);
  }
  std::map<std::string, std::string> identities;
  for (const auto& [name, image] : resolved.images)
    identities[name] = image->identity();
  for_each_instruction(
      resolved, [&](int, const PlannedInstruction& planned, const auto&, const resolve::FileStep* step) {
        if (step == nullptr) return;
        for (const std::string& name : needs_of(*step).sources)
          note(name, planned.instruction);
        if (const auto* copy = step->as<resolve::CopyStep>())
          for (const remote::RemoteSource& remote : copy->remotes)
            identities[remote.name] = remote.identity();
      });
  OrderedJson sources = OrderedJson::array();
  for (const auto& [name, use] : uses) {
    OrderedJson each{{"name", name},
                     {"used", use.instructions},
                     {"lines", use.lines},
                     {"resolved", !resolved.open_sources.contains(name)}};
    if (const auto identity = identities.find(name); identity != identities.end())
      each["identity"] = identity->second;
    sources.push_back(std::move(each));
  }
  return sources;
}

// The arguments that the needed stages declare or their FROM uses, and the given ones that nothing declares.
void put_arguments(OrderedJson& document, const resolve::Resolved& resolved) {
  std::map<std::string, std::string> used;
  std::set<std::string> declared;
  for (const auto& [number, stage] : resolved.stages) {
    for (const std::string& name : resolved.plan.stages[static_cast<std::size_t>(number)].used_arguments)
      if (const auto value = resolved.plan.globals.find(name)) used.emplace(name, *value);
    for (const ArgDefinition& definition : resolved.stages.at(number).arguments) {
      declared.insert(definition.key);
      if (definition.value) used.insert_or_assign(definition.key, *definition.value);
    }
  }
  for (const Instruction& arg : resolved.file.meta_args)
    for (const ArgDefinition& definition : arg.as<Arg>()->definitions)
      declared.insert(definition.key);
  document["arguments"] = OrderedJson::object();
  for (const auto& [name, value] : used)
    document["arguments"][name] = value;
  const auto proxies = proxy_arguments(resolved.values.build_args);
  document["ignoredArguments"] = OrderedJson::array();
  for (const auto& [name, value] : resolved.values.build_args)
    if (!used.contains(name) && !declared.contains(name) && !proxies.contains(name) &&
        name != "SOURCE_DATE_EPOCH")
      document["ignoredArguments"].push_back(name);
}

void put_secrets(OrderedJson& document, const resolve::Resolved& resolved) {
  std::map<std::string, bool> required;
  std::set<std::string> ssh;
  for_each_instruction(resolved,
                       [&](int, const PlannedInstruction&, const auto&, const resolve::FileStep* step) {
                         const auto* run = step != nullptr ? step->as<resolve::RunStep>() : nullptr;
                         if (run == nullptr) return;
                         for (const run::RunMount& mount : run->request.mounts) {
                           if (mount.mount.type == Mount::Type::secret)
                             required[mount.mount.id] |= mount.mount.required;
                           if (mount.mount.type == Mount::Type::ssh)
                             ssh.insert(mount.mount.id.empty() ? "default" : mount.mount.id);
                         }
                       });
  document["secrets"] = OrderedJson::array();
  for (const auto& [id, is_required] : required) {
    const bool given = std::any_of(resolved.spec.secrets.begin(), resolved.spec.secrets.end(),
                                   [&, &name = id](const SecretSpec& secret) { return secret.id == name; });
    document["secrets"].push_back({{"id", id}, {"required", is_required}, {"given", given}});
  }
  document["ssh"] = ssh;
}

// By stage: those that it takes something from.
std::map<int, std::set<int>> stage_needs(const resolve::Resolved& resolved) {
  std::map<int, std::set<int>> needs;
  for (const auto& [number, stage] : resolved.stages) {
    needs[number];
    if (stage.base_stage >= 0) needs[number].insert(stage.base_stage);
  }
  for_each_instruction(resolved, [&](int number, const auto&, const auto&, const resolve::FileStep* step) {
    if (step != nullptr) needs[number].merge(needs_of(*step).stages);
  });
  return needs;
}

// Stages only take from earlier ones, so one pass suffices.
std::map<int, std::size_t> levels_of(const std::map<int, std::set<int>>& needs) {
  std::map<int, std::size_t> levels;
  for (const auto& [number, below] : needs) {
    std::size_t level = 0;
    for (const int other : below)
      level = std::max(level, levels.at(other) + 1);
    levels[number] = level;
  }
  return levels;
}

}  // namespace

OrderedJson describe_syntax(const BuildSpec& spec) {
  return dockerfile::describe(read_dockerfile(spec));
}

OrderedJson describe_stages(const BuildSpec& spec) {
  const Dockerfile file = read_dockerfile(spec);
  return dockerfile::describe(plan_stages(file, build_values(spec), context_names(spec)));
}

OrderedJson describe_inputs(const resolve::Resolved& resolved) {
  const BuildSpec& spec = resolved.spec;
  OrderedJson document{
      {"dockerfile",
       {{"path", spec.dockerfile.native()}, {"digest", sha256(read_file(spec.dockerfile)).string()}}},
      {"platform", resolved.values.target_platform.string()},
      {"target", resolved.target().name},
      {"epoch", resolved.epoch},
      {"labels", OrderedJson::object()},
      {"contexts", OrderedJson::array()}};
  for (const auto& [name, value] : spec.labels)
    document["labels"][name] = value;
  const auto roots = context_roots(resolved);
  for (const auto& [name, open] : resolved.scans) {
    OrderedJson each{{"name", shown_context(name)}};
    if (const auto root = roots.find(name); root != roots.end()) each["path"] = root->second.native();
    each["files"] = files_of(resolved.scan(name));
    document["contexts"].push_back(std::move(each));
  }
  document["sources"] = sources_of(resolved);
  put_arguments(document, resolved);
  put_secrets(document, resolved);
  document["dependencies"] = dependency_paths(resolved);
  return document;
}

OrderedJson describe_plan(const resolve::Resolved& resolved) {
  const std::map<int, std::set<int>> needs = stage_needs(resolved);
  const std::map<int, std::size_t> levels = levels_of(needs);
  std::vector<int> order;
  order.reserve(levels.size());
  for (const auto& [number, level] : levels)
    order.push_back(number);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return levels.at(a) < levels.at(b); });

  OrderedJson document{
      {"target", resolved.plan.target}, {"levels", OrderedJson::array()}, {"stages", OrderedJson::array()}};
  std::map<int, OrderedJson> stages;
  for (const int number : order) {
    const std::size_t level = levels.at(number);
    while (document["levels"].size() <= level)
      document["levels"].push_back(OrderedJson::array());
    document["levels"][level].push_back(number);
    const resolve::ResolvedStage& stage = resolved.stages.at(number);
    const PlannedStage& planned = resolved.plan.stages[static_cast<std::size_t>(number)];
    stages[number] = {{"number", number},
                      {"name", planned.name},
                      {"lines", line_range(planned.from.lines)},
                      {"base", base_of(resolved, number)},
                      {"platform", stage.config.platform().string()},
                      {"level", level},
                      {"needs", needs.at(number)},
                      {"steps", OrderedJson::array()}};
  }
  for_each_instruction(
      resolved, [&](int number, const PlannedInstruction& planned, const resolve::ResolvedStage::Line& line,
                    const resolve::FileStep* step) {
        OrderedJson each{{"instruction", to_upper(planned.instruction.keyword)},
                         {"lines", line_range(planned.instruction.lines)},
                         {"text", line.text},
                         {"makesLayer", line.makes_layer}};
        if (planned.trigger) each["trigger"] = true;
        const Needs needed = step == nullptr ? Needs{} : needs_of(*step);
        if (!needed.stages.empty()) each["stages"] = needed.stages;
        if (!needed.sources.empty()) each["sources"] = needed.sources;
        for (const std::string& name : needed.contexts)
          each["contexts"].push_back(shown_context(name));
        stages.at(number)["steps"].push_back(std::move(each));
      });
  for (const int number : order)
    document["stages"].push_back(std::move(stages.at(number)));
  return document;
}

}  // namespace bottle::image
