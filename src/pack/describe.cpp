// SPDX-License-Identifier: Apache-2.0
#include "pack/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "pack/image_reference.hpp"
#include "pack/limits.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/rfc3339.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_key_character(char c) {
  return is_letter(c) || (c >= '0' && c <= '9');
}

// Why the guest refuses a variable, or an empty string.
std::string variable_problem(const std::string& variable) {
  const std::size_t equals = variable.find('=');
  if (equals == std::string::npos) return "has no '=': smolvm would pass the variable of the host";
  if (equals == 0) return "has an empty name";
  if (equals > kMaximumEnvKey) return fmt::format("has a name of more than {} bytes", kMaximumEnvKey);
  const std::string key = variable.substr(0, equals);
  if (!is_letter(key[0]) || !std::all_of(key.begin(), key.end(), is_key_character))
    return "has a name with characters other than letters, digits and '_'";
  if (variable.size() - equals - 1 > kMaximumEnvValue)
    return fmt::format("has a value of more than {} bytes", kMaximumEnvValue);
  return "";
}

std::string shortened(const std::string& text) {
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

std::string key_of(const std::string& variable) {
  return variable.substr(0, variable.find('='));
}

void check_environment(Manifest& manifest, Findings& findings) {
  std::vector<std::string> kept;
  for (std::string& variable : manifest.env) {
    const std::string problem = variable_problem(variable);
    if (problem.empty())
      kept.push_back(std::move(variable));
    else
      findings.warnings.push_back(
          fmt::format("environment: \"{}\" {}; left out, because smolvm would refuse to run the pack",
                      shortened(key_of(variable)), problem));
  }
  manifest.env = std::move(kept);
}

bool is_root(const std::string& user) {
  const std::string name = user.substr(0, user.find(':'));
  return name.empty() || name == "root" || name == "0";
}

// Why the guest refuses a user whatever the image holds, or an empty string.
std::string user_problem(const std::string& user) {
  if (std::any_of(user.begin(), user.end(),
                  [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; }))
    return "blanks and control characters are not allowed";
  const std::size_t colon = user.find(':');
  if (colon == 0 || user.empty()) return "the name or number is missing";
  if (colon != std::string::npos &&
      (colon + 1 == user.size() || user.find(':', colon + 1) != std::string::npos))
    return "expected one group after the ':'";
  return "";
}

// Who the workload runs as: the option, else the image's USER. An empty group means none, as in Dockerfiles.
std::optional<std::string> user_of(const PackOptions& options, std::string of_image, Findings& findings) {
  if (of_image.ends_with(':')) of_image.pop_back();
  const std::string user = options.user ? *options.user : of_image;
  if (user.empty()) return std::nullopt;
  if (const std::string problem = user_problem(user); !problem.empty()) {
    findings.warnings.push_back(
        fmt::format("USER {}: {}; left out, so the workload runs as root in the machine",
                    shortened(escape_word(user)), problem));
    return std::nullopt;
  }
  if (options.smolvm < kHonoursUser) {
    if (!is_root(user))
      findings.warnings.push_back(fmt::format(
          "USER {}: smolvm before {} ignores the user of a pack, so the workload runs as root in the machine",
          user, kHonoursUser.string()));
    return std::nullopt;
  }
  return user;
}

// What the image says that a manifest has no place for.
void report_unrepresentable(const JsonView& config, Findings& findings) {
  std::string lost;
  for (const char* name :
       {"ExposedPorts", "Volumes", "StopSignal", "Healthcheck", "Shell", "OnBuild", "Labels"}) {
    const std::optional<JsonView> member = config.find(name);
    if (member && !member->value().empty() && member->value() != Json(""))
      lost += (lost.empty() ? "" : ", ") + std::string(name);
  }
  if (!lost.empty())
    findings.notes.push_back("the members " + lost +
                             " of the image configuration are left out: a pack cannot hold them");
}

}  // namespace

std::vector<std::pair<std::string, std::string>> PackOptions::key_values() const {
  const auto list = [](const std::vector<std::string>& texts) {
    return Json(texts).dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  return {{"image", image},
          {"cpus", std::to_string(cpus)},
          {"memory", std::to_string(memory_mib)},
          {"network", network ? "true" : "false"},
          {"env", list(env)},
          {"entrypoint", entrypoint ? list(*entrypoint) : "image"},
          {"cmd", cmd ? list(*cmd) : "image"},
          {"user", user ? list({*user}) : "image"},
          {"smolvm", smolvm.string()},
          {"level", std::to_string(level)}};
}

void check_options(const PackOptions& options) {
  if (options.cpus < 1 || options.cpus > UINT8_MAX)
    throw Error(fmt::format("number of CPUs: expected 1 to {}, found {}", UINT8_MAX, options.cpus));
  if (options.memory_mib < kMinimumMemoryMib || options.memory_mib > UINT32_MAX)
    throw Error(fmt::format("memory in MiB: expected {} to {}, found {}", kMinimumMemoryMib, UINT32_MAX,
                            options.memory_mib));
  if (options.level < 1 || options.level > kMaximumLevel)
    throw Error(fmt::format("compression level: expected 1 to {}, found {}", kMaximumLevel, options.level));
  if (options.user)
    if (const std::string problem = user_problem(*options.user); !problem.empty())
      throw Error(fmt::format("user \"{}\": {}", shortened(escape_word(*options.user)), problem),
                  {.hint = "write USER or USER:GROUP, as names or numbers: 1000:1000"});
  const std::string problem = image_problem(canonical_image(options.image));
  if (!problem.empty())
    throw Error(fmt::format("smolvm rejects the image name \"{}\": {}", shortened(options.image), problem),
                {.hint = "choose another name with --name REF"});
  for (const std::string& variable : options.env)
    if (variable.find('=') == std::string::npos)
      throw Error(fmt::format("environment: expected KEY=VALUE, found \"{}\"", shortened(variable)),
                  {.hint = "add a value: without one smolvm would pass the variable of the host"});
}

Manifest describe_image(const std::string& config, const PackOptions& options, Findings& findings) {
  check_options(options);
  const std::string canonical = canonical_image(options.image);
  if (canonical.size() > kMaximumCanonicalImageRun)
    findings.warnings.push_back(
        fmt::format("the image name {} has {} bytes: `smolvm pack run` refuses more than {}, `smolvm machine "
                    "create --from` does not",
                    canonical, canonical.size(), kMaximumCanonicalImageRun));

  const Json document = parse_json(config, "image configuration");
  const JsonView root(document, "image configuration#");
  Manifest manifest;
  manifest.image = options.image;
  manifest.digest = sha256(config).string();
  manifest.platform = root.at("os").string() + "/" + root.at("architecture").string();
  if (manifest.platform != "linux/amd64" && manifest.platform != "linux/arm64")
    findings.warnings.push_back(
        fmt::format("platform {}: smolvm runs linux/amd64 and linux/arm64 only, so it cannot start this pack",
                    manifest.platform));
  std::string user;
  if (const std::optional<JsonView> image = root.find("config")) {
    manifest.entrypoint = image->strings_or_empty("Entrypoint");
    manifest.cmd = image->strings_or_empty("Cmd");
    manifest.env = image->strings_or_empty("Env");
    if (std::string workdir = image->string_or("WorkingDir", ""); !workdir.empty())
      manifest.workdir = std::move(workdir);
    user = image->string_or("User", "");
    report_unrepresentable(*image, findings);
  }
  manifest.user = user_of(options, std::move(user), findings);
  if (options.entrypoint) manifest.entrypoint = *options.entrypoint;
  if (options.cmd) manifest.cmd = *options.cmd;
  for (const std::string& variable : options.env) {
    const auto same = std::find_if(manifest.env.begin(), manifest.env.end(), [&](const std::string& other) {
      return key_of(other) == key_of(variable);
    });
    if (same == manifest.env.end())
      manifest.env.push_back(variable);
    else
      *same = variable;
  }
  check_environment(manifest, findings);
  manifest.cpus = static_cast<std::uint8_t>(options.cpus);
  manifest.mem = static_cast<std::uint32_t>(options.memory_mib);
  manifest.network = options.network;
  manifest.created = rfc3339(options.epoch);
  manifest.smolvm_version = pack_version(options.smolvm);
  return manifest;
}

}  // namespace bottle::pack
