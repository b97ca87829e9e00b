// SPDX-License-Identifier: Apache-2.0
// Where credentials for registries are kept: the files of Podman, Skopeo, Buildah and Docker, in one order.
// Source: containers-auth.json(5); Docker CLI reference, "Configuration files" and "Environment variables"
// (DOCKER_CONFIG, DOCKER_AUTH_CONFIG).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "util/file.hpp"

namespace bottle::registry {

struct AuthSource {
  std::string name;         // the file, or the environment variable: for messages
  fs::path file;            // empty: `content` is the text
  std::string content;      // of DOCKER_AUTH_CONFIG
  bool legacy = false;      // ~/.dockercfg: the document is what "auths" is elsewhere
  bool must_exist = false;  // chosen by an option
};

// What to look in, the first first; a source without an entry for a registry leaves it to the next:
// DOCKER_AUTH_CONFIG (content), $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json,
// /run/containers/<uid>/auth.json, $XDG_CONFIG_HOME/containers/auth.json (~/.config),
// $DOCKER_CONFIG/config.json
// (~/.docker), ~/.dockercfg. `chosen`, if not empty, is the only one.
std::vector<AuthSource> auth_sources(const fs::path& chosen);

// The source's text; nullopt if there is no file or nothing in it. Throws if a chosen file is missing.
std::optional<std::string> read_auth_source(const AuthSource& source);

}  // namespace bottle::registry
