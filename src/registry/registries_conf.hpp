// SPDX-License-Identifier: Apache-2.0
// Where Podman, Skopeo and Buildah are told to find registries: other locations, mirrors, registries without
// trusted TLS, blocked ones. Source: containers-registries.conf(5), version 2;
// containers-registries.conf.d(5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/file.hpp"

namespace bottle::registry {

enum class MirrorUse { all, digest_only, tag_only };

struct RegistryMirror {
  std::string location;   // host[:port][/path]
  bool insecure = false;  // TLS without verification, else plain HTTP
  MirrorUse use = MirrorUse::all;
};

struct RegistryRule {
  std::string prefix;    // of references: host[:port][/path], or "*.example.com"
  std::string location;  // stands in place of the prefix; empty: the prefix as it is
  bool insecure = false;
  bool blocked = false;
  std::vector<RegistryMirror> mirrors;
  std::string file;  // that has it: for messages
};

// The rules of one file. Throws an Error that names file and member for what is not of the form. Files of the
// old version 1, which have no [[registry]], give none.
std::vector<RegistryRule> parse_registries_conf(std::string_view text, const std::string& file);

class RegistriesConf {
 public:
  RegistriesConf() = default;
  // A rule replaces one for the same prefix before it.
  explicit RegistriesConf(const std::vector<RegistryRule>& rules);
  // $CONTAINERS_REGISTRIES_CONF, else $XDG_CONFIG_HOME/containers/registries.conf (~/.config), else
  // /etc/containers/registries.conf; then the files *.conf of registries.conf.d beside the two last (of the
  // user only, if the user's file is what is read).
  static RegistriesConf load();

  // The rule with the longest prefix that `name` ("host/repository") has; nullptr if there is none.
  const RegistryRule* find(const std::string& name) const;

 private:
  std::vector<RegistryRule> rules_;
};

// `name` with `location` in place of the rule's prefix.
std::string relocated(const RegistryRule& rule, const std::string& location, const std::string& name);

}  // namespace bottle::registry
