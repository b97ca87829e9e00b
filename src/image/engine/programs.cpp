// SPDX-License-Identifier: Apache-2.0
// What the drivers share: who a program is, and what every build command is given.
#include <sys/stat.h>

#include "image/engine/drivers.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::image::engine {

std::string file_identity(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return "file " + file.native() + " absent\n";
  return "file " + file.native() + " " + std::to_string(status.st_dev) + " " + std::to_string(status.st_ino) +
         " " + std::to_string(S_ISREG(status.st_mode) ? status.st_size : 0) + " " +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec) + "\n";
}

std::string program_identity(const std::string& program, const std::string& package) {
  const auto path = find_program(program);
  if (!path)
    throw Error("the engine's program \"" + program + "\" is not installed",
                {.where = "PATH", .hint = "install " + package + ", or use ENGINE builtin"});
  return file_identity(*path);
}

std::string environment_identity(const std::vector<environment::Variable>& variables) {
  std::string text;
  for (const environment::Variable variable : variables)
    text +=
        std::string("environment ") + variable.name + "=" + escape_word(environment::value(variable)) + "\n";
  return text;
}

std::vector<std::string> engine_options(const BuildSpec& spec) {
  std::vector<std::string> options = spec.engine_options;
  const std::string more = environment::value(environment::kEngineOptions);
  for (const std::string_view word : split(more, ' '))
    if (!word.empty()) options.emplace_back(word);
  // The last of two wins: what this machine needs for a network gives none to a bottle without network.
  if (!spec.run_has_network) options.insert(options.end(), {"--network", "none"});
  append(options, spec.run_settings.options());
  return options;
}

std::vector<std::string> common_options(const resolve::Resolved& resolved) {
  const BuildSpec& spec = resolved.spec;
  std::vector<std::string> options;
  // SOURCE_DATE_EPOCH is a number by now, or is removed.
  const auto& values = resolved.values.build_args;
  for (const auto& [name, given] : spec.build_args) {
    const auto value = values.find(name);
    if (value == values.end()) continue;
    options.push_back("--build-arg");
    options.push_back(name + "=" + value->second);
  }
  for (const auto& [name, value] : spec.labels) {
    options.push_back("--label");
    options.push_back(name + "=" + value);
  }
  if (!spec.platform.empty()) {
    options.push_back("--platform");
    options.push_back(spec.platform);
  }
  return options;
}

void refuse_ignored_settings(const resolve::Resolved& resolved, const std::vector<std::string>& unsupported,
                             const std::string& engine, const std::string& hint) {
  std::string given;
  for (const std::string& option : resolved.spec.run_settings.options())
    for (const std::string& name : unsupported)
      if (given.empty() && option.starts_with(name + "=")) given = name;
  if (given.empty()) return;
  for (const auto& [number, stage] : resolved.stages)
    for (const resolve::FileStep& step : stage.steps)
      if (step.as<resolve::RunStep>() != nullptr)
        throw dockerfile::SourceError(*resolved.file.source, step.position,
                                      given + " has no effect on RUN with " + engine, hint);
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> major_and_minor(std::string_view version) {
  if (version.starts_with('v')) version.remove_prefix(1);
  const std::size_t point = version.find('.');
  if (point == std::string_view::npos) return std::nullopt;
  std::string_view rest = version.substr(point + 1);
  rest = rest.substr(0, rest.find_first_not_of("0123456789"));
  const auto major = parse_unsigned(version.substr(0, point));
  const auto minor = parse_unsigned(rest);
  if (!major || !minor) return std::nullopt;
  return std::pair(*major, *minor);
}

void run_build(const EngineRequest& request, const std::vector<std::string>& arguments,
               const std::vector<std::string>& environment) {
  const ProcessResult finished = run_shown(arguments, environment, request.on_line);
  if (finished.status.success()) return;
  const std::string last = last_line(finished.output);
  throw Error("the engine failed with " + finished.status.text() + (last.empty() ? "" : ": " + last),
              {.where = "bottle " + request.resolved.spec.slug + ": " + command_text(arguments),
               .hint = "see the engine's output above"});
}

}  // namespace bottle::image::engine
