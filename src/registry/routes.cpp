// SPDX-License-Identifier: Apache-2.0
#include "registry/routes.hpp"
#include "registry/loopback.hpp"

#include <algorithm>

#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

// Certificates of Docker's kind for a registry mean that it speaks TLS, also on loopback.
bool has_certificates(const std::vector<fs::path>& directories, const std::string& registry) {
  for (const fs::path& directory : directories) {
    std::error_code error;
    if (fs::is_directory(directory / registry, error) &&
        !fs::exists(directory / registry / "hosts.toml", error))
      return true;
  }
  return false;
}

bool serves(const RegistryHost& host, Purpose purpose) {
  return purpose == Purpose::push ? host.push : purpose == Purpose::resolve ? host.resolve : host.pull;
}

bool serves(const RegistryMirror& mirror, Purpose purpose) {
  return mirror.use == MirrorUse::all || (mirror.use == MirrorUse::tag_only) == (purpose == Purpose::resolve);
}

}  // namespace

Endpoint Routes::endpoint(const std::string& registry) const {
  const std::string host = registry == "docker.io" ? "registry-1.docker.io" : registry;
  const bool plain = options_.plain_http || (!options_.tls && is_loopback(registry) &&
                                             !has_certificates(options_.certificate_directories, registry));
  auto base = Url::parse((plain ? "http://" : "https://") + host + "/");
  if (!base || !oci::is_registry(registry))
    throw Error("expected a registry: a host with an optional port",
                {.where = '"' + escape_word(registry.substr(0, 300)) + '"'});
  return {.registry = registry, .base = std::move(*base), .settings = nullptr};
}

const RegistriesConf& Routes::configuration() {
  const std::lock_guard lock(mutex_);
  if (!configuration_) configuration_ = RegistriesConf::load();
  return *configuration_;
}

const std::optional<HostsFile>& Routes::hosts_file(const std::string& registry) {
  const std::lock_guard lock(mutex_);
  const auto found = hosts_.find(registry);
  if (found != hosts_.end()) return found->second;
  return hosts_[registry] = find_hosts_toml(options_.hosts_directories, registry);
}

Endpoint Routes::insecure_endpoint(const std::string& registry) {
  Endpoint result = endpoint(registry);
  if (result.base.scheme == "http") return result;
  result.settings = std::make_shared<const HostSettings>(HostSettings{.verify = false});
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = insecure_.find(registry); found != insecure_.end()) return found->second;
  }
  try {
    http_.request({.url = result.base.origin() + result.api, .settings = result.settings, .retry = false});
  } catch (const Error&) {
    // Not TLS: the next request says what is wrong with plain HTTP, if anything is.
    Endpoint plain = result;
    plain.base.scheme = "http";
    if (registry.find(':') == std::string::npos || registry.back() == ']') plain.base.port = 80;
    plain.settings = nullptr;
    result = std::move(plain);
  }
  const std::lock_guard lock(mutex_);
  return insecure_[registry] = result;
}

Place Routes::located(const std::string& name, bool insecure) {
  const std::size_t slash = std::min(name.find('/'), name.size());
  const std::string registry = name.substr(0, slash);
  Place place{.endpoint = insecure ? insecure_endpoint(registry) : endpoint(registry),
              .repository = slash < name.size() ? name.substr(slash + 1) : ""};
  if (!oci::is_repository(place.repository))
    throw Error("registries.conf gives a location without a valid repository: \"" + escape_word(name) + '"');
  return place;
}

void Routes::add_hosts(std::vector<Place>& places, const std::string& registry, const std::string& repository,
                       Purpose purpose, bool is_mirror) {
  const auto& file = hosts_file(registry);
  const auto add = [&](const RegistryHost& host, bool mirror) {
    const std::string port = host.base.origin().substr(host.base.scheme.size() + 3);
    const std::string name = host.base.host == "registry-1.docker.io" ? "docker.io" : port;
    places.push_back({.endpoint = {.registry = name,
                                   .base = host.base,
                                   .api = host.api,
                                   .settings = host.settings,
                                   .upstream = name != registry && purpose != Purpose::push ? registry : ""},
                      .repository = repository,
                      .is_mirror = mirror});
  };
  if (file)
    for (const RegistryHost& host : file->hosts)
      if (serves(host, purpose)) add(host, true);
  if (file && file->server)
    add(*file->server, is_mirror);
  else
    places.push_back({.endpoint = endpoint(registry), .repository = repository, .is_mirror = is_mirror});
}

std::vector<Place> Routes::places(const std::string& registry, const std::string& repository,
                                  Purpose purpose) {
  const std::string name = registry + "/" + repository;
  const RegistryRule* rule = configuration().find(name);
  std::vector<Place> places;
  if (rule == nullptr) {
    add_hosts(places, registry, repository, purpose, false);
  } else {
    if (rule->blocked)
      throw Error("the registry is blocked: " + escape_word(rule->prefix),
                  {.where = rule->file, .hint = "remove `blocked = true` to use " + name});
    // What is pushed goes where its name says (containers-registries.conf(5) is about pulls).
    if (purpose != Purpose::push)
      for (const RegistryMirror& mirror : rule->mirrors)
        if (serves(mirror, purpose)) {
          places.push_back(located(relocated(*rule, mirror.location, name), mirror.insecure));
          places.back().is_mirror = true;
        }
    const std::string own = purpose == Purpose::push ? name : relocated(*rule, rule->location, name);
    const Place place = located(own, rule->insecure);
    if (rule->insecure)
      places.push_back(place);
    else
      add_hosts(places, place.endpoint.registry, place.repository, purpose, false);
  }
  // A push has one place, the first that takes it.
  if (purpose == Purpose::push) places.resize(1, places.front());
  places.back().is_mirror = false;
  return places;
}

}  // namespace bottle::registry
