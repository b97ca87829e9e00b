// SPDX-License-Identifier: Apache-2.0
#include "image/model/read_dockerfile.hpp"

#include <algorithm>

#include "dockerfile/stages.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace bottle::image {
inline namespace model {

using namespace dockerfile;

PartialDockerfile read_partial_dockerfile(const BuildSpec& spec) {
  constexpr std::uint64_t kLimit = 16u << 20;
  const auto text = read_file_if_exists(spec.dockerfile, kLimit);
  if (!text)
    throw Error("the Dockerfile does not exist", {.where = spec.dockerfile.native(),
                                                  .hint = "give its path with --file FILE, or its directory "
                                                          "with --context DIR (CMake: DOCKERFILE, CONTEXT)"});
  // No path, name or variable can hold one, and it would cut the rest off unseen.
  if (const std::size_t at = text->find('\0'); at != std::string::npos) {
    const auto line = 1 + std::count(text->begin(), text->begin() + static_cast<std::ptrdiff_t>(at), '\n');
    throw Error("expected text, found a NUL byte",
                {.where = spec.dockerfile.native() + ":" + std::to_string(line) + ":" +
                          std::to_string(at - (text->rfind('\n', at) + 1) + 1)});
  }
  return parse_partial_dockerfile(*text, spec.dockerfile.native());
}

Dockerfile read_dockerfile(const BuildSpec& spec) {
  PartialDockerfile result = read_partial_dockerfile(spec);
  if (result.error) throw SourceError(*result.error);
  return std::move(result.file);
}

BuildValues build_values(const BuildSpec& spec) {
  BuildValues values;
  for (const auto& [name, value] : spec.build_args)
    values.build_args[name] = value;
  if (!spec.platform.empty()) {
    const auto platform = parse_platform(spec.platform);
    if (!platform)
      throw UsageError(
          "\"" + spec.platform + "\" is not a platform",
          {.where = "--platform", .hint = "write os/architecture[/variant], for example linux/arm64"});
    values.target_platform = normalized(*platform);
  }
  values.target = spec.target;
  return values;
}

std::set<std::string> context_names(const BuildSpec& spec) {
  std::set<std::string> names;
  for (const ContextSpec& context : spec.contexts) {
    names.insert(context.name);
    // "docker.io/library/debian:12" stands for what "FROM debian:12" says (docker buildx build,
    // --build-context).
    if (const auto familiar = familiar_name(context.name)) names.insert(*familiar);
  }
  return names;
}

const ContextSpec* find_context(const BuildSpec& spec, const std::string& name) {
  auto found = std::find_if(spec.contexts.begin(), spec.contexts.end(),
                            [&](const ContextSpec& context) { return context.name == name; });
  if (found == spec.contexts.end())
    found = std::find_if(spec.contexts.begin(), spec.contexts.end(),
                         [&](const ContextSpec& context) { return familiar_name(context.name) == name; });
  return found == spec.contexts.end() ? nullptr : &*found;
}

}  // namespace model
}  // namespace bottle::image
