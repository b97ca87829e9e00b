// SPDX-License-Identifier: Apache-2.0
// What a gate is started with.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "util/file.hpp"

namespace bottle::gate {

struct LaunchRequest {
  fs::path rendered;  // the directory that render wrote: gate.json and the scripts
  std::string program = "docker";
  std::string image;  // that the container is made of
  std::string name;   // of the container; default: gate-<slug>
  std::string
      egress;  // network of the way out; "" makes one of the gate's own, "host" is the machine's own network
  std::string memory;      // the engine's word for how much it may use ("512m"); "" is what its kind needs
  std::string pids_limit;  // how many processes and threads it may have; "" likewise
  fs::path secrets;        // where identities that are secrets are files, by name
  fs::path home;           // what "~" in an identity's path stands for
  std::chrono::seconds timeout{30};
  std::function<void(const std::string&)> note;  // what went wrong without stopping anything
};

}  // namespace bottle::gate
