// SPDX-License-Identifier: Apache-2.0
// The files of a commit of a git repository, fetched.
//
// Source: BuildKit, source/git (what is checked out, with which modes); git-fetch(1), git-checkout(1),
// gitprotocol-v2(5).
#pragma once

#include "dockerfile/git_source.hpp"
#include "image/model/lock.hpp"
#include "oci/layer_index.hpp"
#include "store/store.hpp"

namespace bottle::image::remote {

// Whether the files are with their repository. Of a subdirectory there is none.
bool keeps_git(const dockerfile::GitSource& source);

// Fetches the commit, and its submodules unless they are excluded, and puts the files into the store
// (remote/tree.hpp). Throws an Error about the remote, without credentials, for what it has not and what is
// larger than the bounds.
oci::LayerIndex check_out_git(const dockerfile::GitSource& source, const LockedGit& locked,
                              const store::Store& store, store::Output& content);

// The time at which the commit was made (its committer's), in seconds since 1970; fetches it.
std::int64_t read_commit_time(const dockerfile::GitSource& source, const LockedGit& locked,
                              const store::Store& store);

}  // namespace bottle::image::remote
