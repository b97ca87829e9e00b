// SPDX-License-Identifier: Apache-2.0
// The configuration of the container that a RUN instruction is executed in.
// Source: OCI runtime-spec 1.0, config.md and config-linux.md; what is in it follows the containers that
// BuildKit makes for RUN.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/model/run_settings.hpp"
#include "run/confinement.hpp"
#include "util/file.hpp"

namespace bottle::run {

struct BundleMount {
  std::string target;  // absolute, in the container
  std::string type = "bind";
  std::string source;
  std::vector<std::string> options;
  bool gives_way =
      false;  // left out where the image has a link into /proc, /dev or /sys; see run/targets.hpp
};

struct Bundle {
  fs::path root;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"
  std::string directory = "/";
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
  bool has_network = true;          // the host's; else a separate, empty one
  std::vector<BundleMount> mounts;  // after those that every container has
  IdMapping id_mapping = IdMapping::root;
  std::uint64_t shm_size = image::RunSettings::kDefaultShmSize;
  std::vector<image::ResourceLimit> limits;
  bool has_seccomp = true;    // the runtime can limit the system calls
  bool has_new_proc = true;   // the kernel allows to mount one; else the one that is there is shown
  bool is_insecure = false;   // --security=insecure: all that this process may do
  bool has_terminal = false;  // the caller's, through a separate one
};

// The capabilities of a command without --security=insecure, a bit for each number: Docker's default set.
std::uint64_t bundle_capabilities();

// The text of config.json.
std::string bundle_config(const Bundle& bundle);

// The directories that every container mounts something on, in the order of the mounts.
const std::vector<std::string>& system_mount_points();

}  // namespace bottle::run
