// SPDX-License-Identifier: Apache-2.0
// Where the mounts of a RUN go: paths without a symbolic link on them, found before a runtime sees the tree.
//
// A runtime resolves mount targets as paths of the host, each version with its own mistakes: a link at /dev
// lets runc before 1.3.6 remove and make files outside of the container (CVE-2026-41579). So links of an
// image, of a mounted tree or of a cache are followed here, as chroot(2) would, and never by a runtime.
#pragma once

#include <string>
#include <string_view>

#include "run/bundle.hpp"
#include "util/file.hpp"

namespace bottle::run {

// The path inside `root` ("a/b", "" for the root) with all links followed, none of them out of it. Parts that
// do not exist are kept as they are. Throws for a loop of links.
std::string resolve_in_root(const fs::path& root, std::string_view path);

// Replaces the targets of the bundle's mounts by where they lead: in the bundle's root, or in what an earlier
// mount shows there. Throws if /proc, /dev or /sys is there and not a directory, and if a link leads a target
// into one of those, or any target to the root. A mount that gives way (BundleMount::gives_way) is left out
// then.
void settle_targets(Bundle& bundle);

}  // namespace bottle::run
