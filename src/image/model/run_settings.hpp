// SPDX-License-Identifier: Apache-2.0
// What all RUN instructions of a build get beside the Dockerfile: docker build's --shm-size, --ulimit and
// --add-host. Source of the forms: docker-units (RAMInBytes, ParseUlimit), BuildKit's frontend options.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bottle::image {
inline namespace model {

// A limit of setrlimit(2); -1 means no limit.
struct ResourceLimit {
  std::string name;  // "nofile"
  std::int64_t soft = -1;
  std::int64_t hard = -1;
};

// A line of /etc/hosts.
struct HostEntry {
  std::string name;
  std::string address;  // IPv4 or IPv6, without brackets
};

struct RunSettings {
  static constexpr std::uint64_t kDefaultShmSize = 64u << 20;

  std::uint64_t shm_size = kDefaultShmSize;  // bytes of /dev/shm
  std::vector<ResourceLimit> limits;         // sorted by name, each once
  std::vector<HostEntry> hosts;              // in the order in which they are given

  // Each throws UsageError, whose place is `place`. "" and 0 are the default size, as with Docker.
  void set_shm_size(const std::string& text, const std::string& place);  // "128m"
  void add_limit(const std::string& text, const std::string& place);     // "nofile=1024:2048", "core=-1"
  void add_host(const std::string& text, const std::string& place);      // "name:address", "name=[::1]"

  // The same as options of `docker build`, `podman build` and `buildah build`, in one form for all ways to
  // write them; empty for the defaults.
  std::vector<std::string> options() const;
};

}  // namespace model
}  // namespace bottle::image
