// SPDX-License-Identifier: Apache-2.0
// SOURCE_DATE_EPOCH as Dockerfiles say it: the time of everything in the image.
// Source: BuildKit 0.29, frontend/dockerfile/dockerfile2llb/epoch.go; docker buildx, which makes the
// environment's value a build argument.
#include <algorithm>

#include "copy/archive.hpp"
#include "dockerfile/git_source.hpp"
#include "dockerfile/text.hpp"
#include "image/model/read_dockerfile.hpp"
#include "image/model/setting.hpp"
#include "image/remote/git.hpp"
#include "image/resolve/resolver.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::resolve {
namespace {

using namespace dockerfile;

constexpr const char* kName = "SOURCE_DATE_EPOCH";

// The newest file of an archive, nullopt if the file is not an archive.
std::optional<std::int64_t> newest_time(const oci::LayerIndex& file, const store::Store& store) {
  const LoadedPlan no_contexts;
  const oci::ContentReader reader = no_contexts.reader(store);
  const auto archive = copy::make_archive_opener(store, reader)(file.entries.front(), file.roots);
  std::optional<std::int64_t> newest;
  if (!archive) return newest;
  for (const oci::Entry& entry : archive->entries)
    if (entry.type == oci::EntryType::file) newest = std::max(newest.value_or(0), entry.mtime);
  return newest;
}

struct RemoteTime {
  Digest action;  // of the store, which holds what the time was read from
  std::optional<std::int64_t> seconds;
};

RemoteTime time_of(const remote::RemoteSource& remote, const remote::RemoteAccess& access,
                   const store::Store& store) {
  if (const auto* git = std::get_if<remote::RemoteGit>(&remote.what))
    return {.action = remote::commit_time_action(git->locked),
            .seconds = remote::commit_time(git->source, git->locked, store)};
  return {.action = remote.action(),
          .seconds = newest_time(remote::fetch_source(remote, store, access), store)};
}

}  // namespace

void Resolver::give_epoch() {
  if (resolved_.epoch != 0) resolved_.values.build_args.try_emplace(kName, std::to_string(resolved_.epoch));
}

void Resolver::decide_epoch() {
  resolved_.epoch = 0;
  auto& given = resolved_.values.build_args;
  const auto argument = given.find(kName);
  const auto global = resolved_.plan.globals.find(kName);
  std::string text;
  if (argument != given.end())
    text = argument->second;
  else if (global)
    text = *global;
  else
    return;
  const auto epoch = epoch_of(text);
  // From here on it is a number, or was not given.
  const std::string number = epoch ? std::to_string(*epoch) : "";
  if (argument != given.end()) {
    argument->second = number;
    if (number.empty()) given.erase(argument);
  }
  if (global) {
    resolved_.plan.globals.set(kName, number);
    if (number.empty()) resolved_.plan.globals.erase(kName);
  }
  resolved_.epoch = epoch.value_or(0);
}

std::optional<std::int64_t> Resolver::epoch_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (const auto seconds = parse_epoch(text)) return seconds;
  // The time of a context that is on this machine is not an input.
  if (text == "context") return std::nullopt;
  if (const ContextSpec* context = find_context(resolved_.spec, text)) {
    if (context->kind != ContextKind::remote) return std::nullopt;
    return remote_epoch(classify_source(context->reference), resolved_.file.stages.front().from.position);
  }
  for (const StageText& stage : resolved_.file.stages)
    if (!stage.header().name.empty() && equal_fold(stage.header().name, text)) return stage_epoch(stage);
  const std::string message = std::string("invalid ") + kName + " \"" + escape_word(text) + "\": expected " +
                              epoch_form() + ", \"context\", or the name of a stage or named context";
  for (const Instruction& instruction : resolved_.file.meta_args)
    for (const ArgDefinition& definition : std::get<Arg>(instruction.body).definitions)
      if (definition.key == kName) fail(instruction.position, message, "");
  throw UsageError(message, {.where = std::string("the build argument ") + kName});
}

// Such a stage names one thing that has a time, and is not built for that.
std::optional<std::int64_t> Resolver::stage_epoch(const StageText& stage) {
  const auto refuse = [&](const Instruction& instruction, const std::string& what) {
    fail(instruction.position, std::string("the stage that ") + kName + " names " + what,
         "write FROM scratch AS <name> and one ADD of a URL or git repository");
  };
  if (expand(stage.header().base, resolved_.plan.globals, {.escape = resolved_.file.escape()}).text !=
      "scratch")
    refuse(stage.from, "does not start FROM scratch");
  Environment globals = resolved_.plan.globals;
  globals.erase(kName);
  Scope scope(*resolved_.file.source, resolved_.file.escape(), globals, resolved_.values);
  scope.add_environment(globals);
  std::optional<RemoteOrPath> source;
  Position position = stage.from.position;
  for (const Instruction& instruction : stage.instructions) {
    if (instruction.as<Arg>() == nullptr && instruction.as<Add>() == nullptr)
      refuse(instruction, "has the instruction " + instruction.keyword);
    const Instruction expanded = scope.expand(instruction).instruction;
    scope.apply(expanded);
    const Add* add = expanded.as<Add>();
    if (add == nullptr) continue;
    std::vector<RemoteOrPath> sources;
    try {
      sources = classify_sources(*add);
    } catch (const SourceKindError& error) {
      fail(instruction.position, error.message(), error.hint());
    }
    if (source || sources.size() != 1 || !add->transfer.files.empty() ||
        std::holds_alternative<PathSource>(sources.front()))
      refuse(instruction, "has a source other than one URL or git repository");
    source = std::move(sources.front());
    position = instruction.position;
  }
  if (!source) refuse(stage.from, "has no ADD");
  return remote_epoch(*source, position);
}

std::optional<std::int64_t> Resolver::remote_epoch(const RemoteOrPath& source, const Position& position) {
  const auto remote = remote_source(source, position);
  if (!remote || options_.survey || options_.unlocked == Unlocked::left_open) return std::nullopt;
  const RemoteTime time = time_of(*remote, *resolved_.access, store_);
  resolved_.epoch_action = time.action;
  return time.seconds;
}

}  // namespace bottle::image::resolve
