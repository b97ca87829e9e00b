// SPDX-License-Identifier: Apache-2.0
#include "image/check.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "dockerfile/text.hpp"
#include "image/model/read_dockerfile.hpp"
#include "image/remote/image.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace bottle::image {
namespace {

using namespace dockerfile;

constexpr const char* kOptionsArgument = "BUILDKIT_DOCKERFILE_CHECK";

std::optional<LintOptions> given_options(const BuildValues& values) {
  const auto found = values.build_args.find(kOptionsArgument);
  if (found == values.build_args.end()) return std::nullopt;
  auto options = parse_lint_options(found->second);
  if (!options)
    throw UsageError(
        "invalid check option in " + dockerfile::in_quotes(found->second),
        {.where = std::string("the build argument ") + kOptionsArgument,
         .hint = "write skip=RULE,RULE;error=true, for example skip=JSONArgsRecommended;error=true"});
  return options;
}

// Of the build context, nullopt without an ignore file or with a broken one, which the build reports.
std::optional<IgnoreMatcher> ignore_rules(const BuildSpec& spec) {
  for (const fs::path& file :
       {fs::path(spec.dockerfile.native() + ".dockerignore"), spec.context / ".dockerignore"}) {
    try {
      if (const auto text = read_file_if_exists(file, 16u << 20))
        return IgnoreMatcher(read_ignore_file(*text));
    } catch (const Error&) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

BaseFacts facts_of(const std::string& text, const std::string& name) {
  const ImageConfig config(text, name, 0);
  return {.environment = config.environment(),
          .shell = config.shell(),
          .triggers = config.triggers(),
          .platform = config.platform()};
}

BaseFacts facts_of(const OutsideImage& image) {
  return facts_of(image.config(), image.name());
}

// Of an image of a registry, as far as the lock and the store know it.
std::optional<BaseFacts> locked_facts(const BuildSpec& spec, const std::string& name,
                                      const oci::Platform& wanted) {
  const fs::path directory = spec.store.empty() ? store::Store::default_directory() : spec.store;
  if (!fs::exists(directory)) return std::nullopt;
  const oci::Reference reference = oci::Reference::parse(name);
  std::optional<Digest> digest = reference.digest;
  if (!digest) {
    const auto locked = remote::LockFile(lock_file(spec)).image(reference);
    if (!locked) return std::nullopt;
    const LockedManifest* manifest = locked->find(wanted);
    // A tag that names one image is that image, for whatever platform.
    if (manifest == nullptr && !locked->index && locked->platforms.size() == 1)
      manifest = &locked->platforms.begin()->second;
    if (manifest == nullptr) return std::nullopt;
    digest = manifest->digest;
  }
  const auto config = remote::stored_config(*digest, wanted, store::Store::open(directory));
  if (!config) return std::nullopt;
  return facts_of(*config, reference.string());
}

template <typename File>
CheckReport check(const BuildSpec& spec, const std::shared_ptr<const SourceText>& source, const File& file,
                  LintFacts facts) {
  const BuildValues values = build_values(spec);
  const auto ignore = ignore_rules(spec);
  facts.contexts = context_names(spec);
  facts.ignore = ignore ? &*ignore : nullptr;
  facts.options = given_options(values);
  return {source, lint(file, values, facts)};
}

}  // namespace

CheckReport check(const BuildSpec& spec) {
  const PartialDockerfile file = read_partial_dockerfile(spec);
  const oci::Platform platform = build_values(spec).target_platform;
  LintFacts facts;
  facts.base = [&](const PlannedStage& stage) -> std::optional<BaseFacts> {
    const oci::Platform wanted = stage.platform.value_or(platform);
    const bool is_context = stage.base.kind == Origin::Kind::named_context;
    const ContextSpec* context = is_context ? find_context(spec, stage.base.name) : nullptr;
    try {
      if (context == nullptr) return locked_facts(spec, stage.base.name, wanted);
      if (context->kind == ContextKind::image) return locked_facts(spec, context->reference, wanted);
      if (context->kind == ContextKind::remote) return BaseFacts{};
      return facts_of(*open_outside(*context, wanted));
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  return check(spec, file.file.source, file, std::move(facts));
}

CheckReport check(const resolve::Resolved& resolved) {
  LintFacts facts;
  facts.target_only = true;
  facts.base = [&](const PlannedStage& stage) -> std::optional<BaseFacts> {
    const auto needed = resolved.stages.find(stage.number);
    if (needed == resolved.stages.end() || needed->second.base_image.empty()) return std::nullopt;
    return facts_of(*resolved.images.at(needed->second.base_image));
  };
  return check(resolved.spec, resolved.file.source, resolved.file, std::move(facts));
}

nlohmann::ordered_json to_json(const CheckReport& report) {
  using Json = nlohmann::ordered_json;
  Json document{
      {"file", report.source->name}, {"error", report.lint.warnings_are_errors}, {"warnings", Json::array()}};
  for (const LintWarning& warning : report.lint.warnings)
    document["warnings"].push_back({{"rule", warning.rule},
                                    {"message", warning.message},
                                    {"line", warning.position.line},
                                    {"column", warning.position.column},
                                    {"lines", {warning.lines.first, warning.lines.last}},
                                    {"hint", warning.hint()},
                                    {"url", warning.url()}});
  if (const auto& error = report.lint.error)
    document["buildError"] = {{"message", error->summary()},
                              {"line", error->position().line},
                              {"column", error->position().column},
                              {"hint", error->hint()}};
  return document;
}

void refuse_warnings(const CheckReport& report, const std::function<void(const std::string&)>& warn) {
  if (!report.lint.warnings_are_errors || report.lint.warnings.empty()) return;
  std::set<std::string> rules;
  for (const LintWarning& warning : report.lint.warnings) {
    warn(warning.text(*report.source));
    rules.insert(warning.rule);
  }
  const std::vector<std::string> names(rules.begin(), rules.end());
  throw Error("lint violation found for rules: " + join(names, ", "),
              {.where = report.source->name,
               .hint = "correct them or add them to skip=: \"check=error=true\" makes them errors"});
}

}  // namespace bottle::image
