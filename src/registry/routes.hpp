// SPDX-License-Identifier: Apache-2.0
// Where a repository is reached: at the registry of its name, or where registries.conf and hosts.toml say.
// For the files of this room only.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "oci/reference.hpp"
#include "registry/hosts_toml.hpp"
#include "registry/http.hpp"
#include "registry/registries_conf.hpp"

namespace bottle::registry {

// A registry's API.
struct Endpoint {
  std::string registry;  // as references name it: credentials are looked for by it
  Url base;              // its target is "/"
  std::string api = "/v2/";
  std::shared_ptr<const HostSettings> settings;
  // Of a host that hosts.toml names for another registry: that registry, which a mirror of several has to
  // know. It is the parameter "ns" of requests, as with containerd.
  std::string upstream = {};
};

// A repository at an endpoint.
struct Place {
  Endpoint endpoint;
  std::string repository;
  bool is_mirror = false;  // others follow: no second attempt is worth the wait
};

enum class Purpose {
  resolve,  // a manifest by tag
  pull,     // a manifest or blob by digest
  push,     // and all that decides what a push does
};

struct RouteOptions {
  bool plain_http = false;
  bool tls = false;
  std::vector<fs::path> certificate_directories;
  std::vector<fs::path> hosts_directories;  // where hosts.toml may be
};

// May be used by several threads at once.
class Routes {
 public:
  Routes(RouteOptions options, const Http& http) : options_(std::move(options)), http_(http) {}

  // The registry itself, whatever the configuration says of its repositories.
  Endpoint endpoint(const std::string& registry) const;
  // Mirrors first, the registry's own place last; never empty. Throws for a blocked repository.
  std::vector<Place> places(const std::string& registry, const std::string& repository, Purpose purpose);

 private:
  const RegistriesConf& configuration();
  const std::optional<HostsFile>& hosts_file(const std::string& registry);
  // A location of registries.conf.
  Place located(const std::string& name, bool insecure);
  void add_hosts(std::vector<Place>& places, const std::string& registry, const std::string& repository,
                 Purpose purpose, bool is_mirror);
  // An endpoint without trusted TLS: TLS where it is spoken, else plain HTTP.
  Endpoint insecure_endpoint(const std::string& registry);

  RouteOptions options_;
  const Http& http_;
  std::mutex mutex_;
  std::optional<RegistriesConf> configuration_;
  std::map<std::string, std::optional<HostsFile>> hosts_;
  std::map<std::string, Endpoint> insecure_;
};

}  // namespace bottle::registry
