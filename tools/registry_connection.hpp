// SPDX-License-Identifier: Apache-2.0
// How the sub-commands of bottle-registry reach a registry: options that are the same for all of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oci/descriptor.hpp"
#include "registry/client.hpp"
#include "util/command_line.hpp"
#include "util/json.hpp"

namespace bottle::tools {

struct Connection {
  registry::ClientOptions options;
  std::string auth_file;
  std::vector<std::string> certificates;
  std::string timeout = "30s";
  unsigned retries = 4;

  void add_to(Subcommand command);
  // `work` is what progress on stderr is called, "pulling"; empty: none is told. Throws UsageError for what
  // an option cannot be.
  registry::Client client(const std::string& work = {}) const;
};

// "os/architecture[/variant]"; nullopt for "". Throws UsageError.
std::optional<oci::Platform> parse_platform(const std::string& text);

// To stdout, indented; what is not UTF-8 is replaced.
void print(const OrderedJson& json);

}  // namespace bottle::tools
