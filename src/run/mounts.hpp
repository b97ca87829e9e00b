// SPDX-License-Identifier: Apache-2.0
// The mounts of a RUN instruction, made ready for the runtime: trees to show, caches, secrets, the agent's
// socket. In a process of run_confined() only: what is mounted here goes with it.
// Source: Dockerfile reference, "RUN --mount"; for defaults BuildKit, frontend/dockerfile/dockerfile2llb
// (convert_runmount, convert_secrets, convert_ssh).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "run/agent.hpp"
#include "run/bundle.hpp"
#include "run/context.hpp"
#include "run/request.hpp"
#include "run/snapshot.hpp"

namespace bottle::run {

// A mounted file system; the destructor unmounts it.
class MountPoint {
 public:
  MountPoint(const std::string& source, fs::path target, const char* type, unsigned long flags,
             const std::string& options);
  ~MountPoint();
  MountPoint(MountPoint&& other) noexcept : target_(std::move(other.target_)) { other.target_.clear(); }
  MountPoint& operator=(MountPoint&&) = delete;

 private:
  fs::path target_;
};

// An overlay of the lower directories (the uppermost first), which all are below the store, like `directory`,
// which gets upper, work and root. What is written to it is not flushed to the disk, whatever the command
// asks for and when it is unmounted: neither a snapshot nor a blob is, and both are looked at before they are
// used.
struct Overlay {
  std::optional<MountPoint> point;  // nullopt where the kernel or the file system cannot do that
  std::string why_not;              // empty if the user does not request it
};
Overlay mount_overlay(const fs::path& store, const std::vector<fs::path>& lowers, const fs::path& directory,
                      bool user_attributes);

class RunMounts {
 public:
  // `work` is this run's directory, `secret` a memory-backed one. Waits for caches that others have locked.
  // Without `can_mount` nothing is mounted here either: then all sources are on the store's file system, each
  // for this run alone (run/placement.hpp).
  RunMounts(const RunRequest& request, const RunContext& context, IdMapping id_mapping, unsigned user,
            Snapshots& snapshots, fs::path work, fs::path secret, bool can_mount);
  ~RunMounts();

  const std::vector<BundleMount>& mounts() const { return mounts_; }
  const std::vector<std::string>& environment() const { return environment_; }  // "NAME=value"
  // Paths that hold what is mounted, for undoing what the runtime makes for them.
  std::vector<std::string> targets() const;

 private:
  void bind(const RunMount& item, const RunTree& tree, int number);
  void lock_caches(const RunRequest& request);
  fs::path cache_place(const RunMount& item, const RunTree* tree);
  void cache(const RunMount& item, const RunTree* tree);
  fs::path below_cache(const fs::path& data, const std::string& source);
  void tmpfs(const RunMount& item);
  void secret(const RunMount& item, int number);
  void ssh(const RunMount& item, int number);
  fs::path show(const RunTree& tree, const fs::path& directory);
  void fill(const RunTree& tree, const fs::path& directory);
  void own(const fs::path& path, std::uint32_t uid, std::uint32_t gid, mode_t mode) const;

  const RunContext& context_;
  IdMapping id_mapping_;
  unsigned user_;
  Snapshots& snapshots_;
  fs::path work_;
  fs::path secret_;
  bool can_mount_;
  std::vector<MountPoint> points_;
  std::vector<std::unique_ptr<AgentRelay>> agents_;
  std::vector<FileLock> locks_;
  std::vector<BundleMount> mounts_;
  std::vector<std::string> environment_;
};

}  // namespace bottle::run
