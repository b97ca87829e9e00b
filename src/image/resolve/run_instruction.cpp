// SPDX-License-Identifier: Apache-2.0
// RUN instructions, resolved: what is executed in which frame, and where its mounts come from.
// Source: Dockerfile reference, "RUN"; BuildKit, frontend/dockerfile/dockerfile2llb (dispatchRun and
// convert_runmount, convert_secrets, convert_ssh).
#include <algorithm>
#include <map>
#include <utility>

#include "dockerfile/history.hpp"
#include "dockerfile/text.hpp"
#include "image/resolve/resolver.hpp"
#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::image::resolve {
namespace {

using namespace dockerfile;

std::string last_component(const std::string& path) {
  return std::string(oci::base_name(path_in_root(path)));
}

// Programs look for a proxy under one name or the other. Source: BuildKit, solver/llbsolver/ops
// (proxyEnvList) and dockerfile2llb (proxyEnvFromBuildArgs): of several spellings the last one counts.
std::vector<std::pair<std::string, std::string>> both_spellings(
    const std::map<std::string, std::string>& given) {
  std::map<std::string, std::string> values;  // by the small one
  for (const auto& [name, value] : given)
    values[to_lower(name)] = value;
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& [name, value] : values) {
    if (value.empty()) continue;
    result.emplace_back(to_upper(name), value);
    result.emplace_back(name, value);
  }
  return result;
}

std::string absolute_target(const std::string& workdir, const std::string& target) {
  return "/" + path_in_root(target.starts_with('/') ? target : workdir + "/" + target);
}

}  // namespace

run::RunRequest Resolver::run_request(const PlannedInstruction& planned, const Run& run,
                                      const Position& position, const ImageConfig& config,
                                      const Scope& scope) {
  run::RunRequest request;
  const auto& allowed = resolved_.spec.allowed;
  request.is_insecure = run.security == "insecure";
  if (request.is_insecure && std::find(allowed.begin(), allowed.end(), "security.insecure") == allowed.end())
    fail(position, "RUN --security=insecure requires the entitlement security.insecure",
         "add --allow security.insecure to bottle-image build, which gives the command all rights of this "
         "user");
  if (!run.devices.empty())
    fail(position,
         "RUN --device=" + run.devices.front().name + " is not supported: a key cannot describe a device",
         "use the device when the image runs, or use --security=insecure, which shows the devices of this "
         "machine");

  const std::vector<std::string> shell = config.shell();
  RunCommand command = run_command(run, shell);
  request.arguments = std::move(command.arguments);
  request.script = std::move(command.script);
  if (request.arguments.empty()) fail(position, "RUN without a command", "write the command after RUN");
  request.environment = scope.environment().entries();
  request.proxies = both_spellings(proxy_arguments(resolved_.values.build_args));
  request.user = config.user();
  request.workdir = config.workdir().empty() ? "/" : config.workdir();
  if (run.network == "host" && !resolved_.spec.run_has_network)
    fail(position, "RUN --network=host conflicts with the network setting none of this image",
         "remove NETWORK none (bottle-image build: --network none), or remove --network=host");
  request.has_network = run.network != "none" && resolved_.spec.run_has_network;
  request.settings = resolved_.spec.run_settings;

  for (std::size_t i = 0; i < run.mounts.size(); ++i) {
    run::RunMount item;
    item.mount = run.mounts[i];
    Mount& mount = item.mount;
    item.source = mount.source.empty() ? "/" : mount.source;
    // A directory that is not named is WORKDIR; secrets and agents have their own places.
    const bool has_place = mount.type == Mount::Type::secret || mount.type == Mount::Type::ssh;
    if (!mount.target.empty() || !has_place) item.target = absolute_target(request.workdir, mount.target);
    switch (mount.type) {
      case Mount::Type::bind:
      case Mount::Type::cache: {
        if (mount.type == Mount::Type::cache && mount.from.empty()) break;
        const Origin origin = i < planned.origins.size() ? planned.origins[i] : Origin{};
        if (origin.kind == Origin::Kind::scratch) break;
        const bool is_context = mount.from.empty();
        std::vector<copy::Source> taken;
        if (is_context || origin.kind == Origin::Kind::named_context)
          taken.push_back(copy::parse_source(item.source, false, {}));
        item.from = find_source(origin, position, taken, {});
        const auto* stage = std::get_if<StageFiles>(&*item.from);
        item.from_name = stage != nullptr ? "stage " + resolved_.stages.at(stage->stage).number : mount.from;
        break;
      }
      case Mount::Type::secret:
        if (!mount.source.empty()) mount.id = mount.source;
        if (mount.id.empty()) mount.id = last_component(mount.target);
        if (item.target.empty() && !mount.env) item.target = "/run/secrets/" + last_component(mount.id);
        break;
      case Mount::Type::ssh:
      case Mount::Type::tmpfs:
        break;
    }
    if (item.target == "/")
      fail(position, "the mount needs a target other than \"/\"", "add target=<directory>");
    request.mounts.push_back(std::move(item));
  }
  return request;
}

}  // namespace bottle::image::resolve
