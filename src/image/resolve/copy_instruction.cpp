// SPDX-License-Identifier: Apache-2.0
// COPY, ADD and WORKDIR instructions, resolved: what is copied from where, with which settings.
#include <algorithm>
#include <utility>

#include "copy/mode.hpp"
#include "dockerfile/git_source.hpp"
#include "dockerfile/history.hpp"
#include "image/model/read_dockerfile.hpp"
#include "image/resolve/resolver.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image::resolve {
namespace {

using namespace dockerfile;

std::string words_text(const char* keyword, const CopyStep& step, const std::string& from) {
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

std::optional<FileStep> Resolver::step_of(const PlannedInstruction& planned, const Instruction& expanded,
                                          const ImageConfig& config, const Scope& scope) {
  FileStep step;
  step.position = expanded.position;
  step.where = resolved_.file.source->where(expanded.position);
  if (const auto* workdir = expanded.as<Workdir>()) {
    const std::string directory = resolved_workdir(config.workdir(), workdir->path);
    if (directory == "/") return std::nullopt;
    step.text = "WORKDIR " + escape_word(directory) +
                (config.user().empty() ? "" : " as " + escape_word(config.user()));
    step.what = WorkdirStep{.directory = directory, .user = config.user()};
  } else if (const auto* run = expanded.as<Run>()) {
    RunStep what{run_request(planned, *run, expanded.position, config, scope)};
    step.text = what.request.text();
    step.what = std::move(what);
  } else if (expanded.as<Copy>() != nullptr || expanded.as<Add>() != nullptr) {
    CopyStep what = copy_step(planned, expanded, config);
    std::string from;
    if (const auto* image = std::get_if<ImageFiles>(&what.source)) from = image->image;
    if (const auto* stage = std::get_if<StageFiles>(&what.source))
      from = "stage " + resolved_.stages.at(stage->stage).number;
    if (const auto* files = std::get_if<ContextFiles>(&what.source); files && files->context != kMainContext)
      from = files->context.substr(files->context.find(':') + 1);
    step.text = words_text(what.request.is_add ? "ADD" : "COPY", what, from);
    step.what = std::move(what);
  } else {
    return std::nullopt;
  }
  return step;
}

CopyStep Resolver::copy_step(const PlannedInstruction& planned, const Instruction& expanded,
                             const ImageConfig& config) {
  const auto* copy = expanded.as<Copy>();
  const auto* add = expanded.as<Add>();
  CopyStep step;
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
  request.epoch = resolved_.epoch;
  std::vector<RemoteOrPath> kinds;
  try {
    kinds = copy != nullptr ? classify_sources(*copy) : classify_sources(*add);
  } catch (const SourceKindError& error) {
    fail(expanded.position, error.message(), error.hint());
  }
  for (const InlineFile& file : transfer.files) {
    const Digest digest = sha256(file.content);
    request.inlines.push_back({.name = file.name,
                               .digest = digest,
                               .size = file.content.size(),
                               .root = "blob:" + digest.string()});
    step.inline_contents.push_back(file.content);
  }
  take_sources(step, planned, expanded.position, kinds);
  return step;
}

void Resolver::take_sources(CopyStep& step, const PlannedInstruction& planned, const Position& position,
                            const std::vector<RemoteOrPath>& kinds) {
  const Origin origin = planned.origins.empty() ? Origin{} : planned.origins.front();
  std::vector<copy::Source> taken;
  try {
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (std::holds_alternative<PathSource>(kinds[i])) {
        taken.push_back(
            copy::parse_source(step.request.sources[i], step.request.parents, step.request.excludes));
      } else if (auto remote = remote_source(kinds[i], position)) {
        remote->number = i;
        step.remotes.push_back(std::move(*remote));
      }
    }
    if (step.request.chmod) (void)copy::ModeChange::parse(*step.request.chmod);
  } catch (const SourceError&) {
    throw;
  } catch (const Error& error) {
    if (!error.where().empty()) throw;
    fail(position, error.message(), error.hint());
  }
  // The other engines have their own rules.
  const copy::EntryDetail detail =
      is_builtin(resolved_.spec) ? copy::EntryDetail::of(step.request) : copy::EntryDetail{};
  step.source = find_source(origin, position, taken, detail);
}

}  // namespace bottle::image::resolve
