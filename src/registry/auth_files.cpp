// SPDX-License-Identifier: Apache-2.0
#include "registry/auth_files.hpp"

#include <unistd.h>

#include "util/environment.hpp"
#include "util/error.hpp"

namespace bottle::registry {
namespace {

constexpr std::uint64_t kMaximumAuthFile = 16u << 20;

// $VARIABLE, else ~/otherwise; empty without a home.
fs::path directory_of(environment::Variable variable, const char* otherwise) {
  if (const std::string value = environment::value(variable); !value.empty()) return value;
  const std::string home = environment::value(environment::kHome);
  return home.empty() ? fs::path() : fs::path(home) / otherwise;
}

}  // namespace

std::vector<AuthSource> auth_sources(const fs::path& chosen) {
  if (!chosen.empty()) return {{.name = chosen.native(), .file = chosen, .content = {}, .must_exist = true}};
  std::vector<AuthSource> sources;
  const auto add = [&](const fs::path& directory, const char* file, bool legacy = false) {
    if (directory.empty()) return;
    const fs::path path = *file != '\0' ? directory / file : directory;
    for (const AuthSource& source : sources)
      if (source.file == path) return;
    sources.push_back({.name = path.native(), .file = path, .content = {}, .legacy = legacy});
  };
  if (const std::string content = environment::value(environment::kDockerAuthConfig); !content.empty())
    sources.push_back({.name = "$DOCKER_AUTH_CONFIG", .file = {}, .content = content});
  add(environment::value(environment::kRegistryAuthFile), "");
  add(environment::value(environment::kXdgRuntimeDir), "containers/auth.json");
  add(fs::path("/run/containers") / std::to_string(::getuid()), "auth.json");
  add(directory_of(environment::kXdgConfigHome, ".config"), "containers/auth.json");
  add(directory_of(environment::kDockerConfig, ".docker"), "config.json");
  add(environment::value(environment::kHome), ".dockercfg", true);
  return sources;
}

std::optional<std::string> read_auth_source(const AuthSource& source) {
  std::optional<std::string> text = source.file.empty() ? std::optional(source.content)
                                                        : read_file_if_exists(source.file, kMaximumAuthFile);
  if (!text && source.must_exist) throw Error("the credentials file does not exist", {.where = source.name});
  // `touch` and some provisioning make empty files; Docker and containers/image take them as without entries.
  if (text && text->find_first_not_of(" \t\r\n") == std::string::npos) return std::nullopt;
  return text;
}

}  // namespace bottle::registry
