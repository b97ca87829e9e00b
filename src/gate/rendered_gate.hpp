// SPDX-License-Identifier: Apache-2.0
// What render left for launching a gate: gate.json beside the scripts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "util/file.hpp"

namespace bottle::gate {

struct RenderedGate {
  std::string slug;
  std::string kind;  // "git-gate", "ssh-gate"
  std::uint16_t port = 0;
  std::vector<std::string> files;  // names beside gate.json that go into the container
  // How the gate proves to an upstream who it is: by a file, by a secret of that name, or through an agent.
  struct IdentityFile {
    std::string name;  // of the upstream
    std::string file;
    std::string secret;
    bool agent = false;
  };
  std::vector<IdentityFile> identities;

  std::string etc() const { return "/etc/" + kind; }
  std::string root() const { return "/" + kind; }
  std::string scheme() const { return kind == "git-gate" ? "git" : "ssh"; }
};

// Throws an Error about the directory or the place in gate.json.
RenderedGate load_rendered(const fs::path& directory);

}  // namespace bottle::gate
