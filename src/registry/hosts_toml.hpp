// SPDX-License-Identifier: Apache-2.0
// Where containerd and Docker are told to find a registry: hosts.toml in a directory of the registry's name.
// Source: containerd, docs/hosts.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/http.hpp"
#include "util/file.hpp"

namespace bottle::registry {

struct RegistryHost {
  Url base;                  // its target is "/"
  std::string api = "/v2/";  // what the paths of requests begin with
  bool pull = true;          // manifests and blobs by digest
  bool resolve = true;       // manifests by tag
  bool push = true;
  std::shared_ptr<const HostSettings> settings;  // nullptr: as for every host
};

struct HostsFile {
  std::vector<RegistryHost> hosts;     // to be tried in this order, before the server
  std::optional<RegistryHost> server;  // in place of the registry itself
  std::string file;
};

// Relative names of certificates are relative to the file's directory. Throws an Error that names file and
// member for what is not of the form.
HostsFile parse_hosts_toml(std::string_view text, const fs::path& file);

// The first hosts.toml of the directories for a registry ("docker.io", "r.example:5000"): in
// <directory>/<host>:<port>, <host>_<port>_, <host>, or _default. nullopt if there is none.
std::optional<HostsFile> find_hosts_toml(const std::vector<fs::path>& directories,
                                         const std::string& registry);

}  // namespace bottle::registry
