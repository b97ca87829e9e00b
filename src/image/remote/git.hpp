// SPDX-License-Identifier: Apache-2.0
// Git repositories that ADD takes files from, through the git program. Only what the commit and its
// submodules hold gets in: no hook is run, and no configuration of the machine or the user is read.
//
// Source: BuildKit, source/git (what is checked out, with which modes; which of a branch and a tag of one
// name is taken); git-fetch(1), git-checkout(1), gitprotocol-v2(5).
#pragma once

#include <string>

#include "dockerfile/git_source.hpp"
#include "image/model/lock.hpp"
#include "oci/layer_index.hpp"
#include "store/store.hpp"

namespace bottle::image::remote {

// The name in a lock: remote without credentials, and the ref to look up there. The subdirectory is not in
// it, since it makes no difference to the commit.
std::string git_name(const dockerfile::GitSource& source);

// What needs no lock: the commit that the source names in full. "" if there is none.
std::string pinned_commit(const dockerfile::GitSource& source);

// Asks the remote. Throws naming it (without credentials) and what it has not.
LockedGit resolve_git(const dockerfile::GitSource& source);

// What identifies the files of a commit, for keys: commit, subdirectory, whether .git is kept and
// submodules are there.
std::string git_identity(const dockerfile::GitSource& source, const LockedGit& locked);

// The key by which the store keeps them.
Digest git_action(const dockerfile::GitSource& source, const LockedGit& locked);

// The files, below a root "" of mode 0755: owner 0:0, 0644 or 0755, times 0; the root table names one blob of
// the store. From the store, else fetched.
oci::LayerIndex fetch_git(const dockerfile::GitSource& source, const LockedGit& locked,
                          const store::Store& store);

// The key by which the store keeps a commit's time.
Digest commit_time_action(const LockedGit& locked);

// The time of the commit, in seconds since 1970. From the store, else fetched.
std::int64_t commit_time(const dockerfile::GitSource& source, const LockedGit& locked,
                         const store::Store& store);

}  // namespace bottle::image::remote
