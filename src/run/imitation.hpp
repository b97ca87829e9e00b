// SPDX-License-Identifier: Apache-2.0
// /dev, /proc and /sys for a command that no file systems can be mounted for.
//
// /dev has the device nodes that every container has. A /proc of processes cannot be imitated; what says
// something of the machine that does not change is copied, and all else is missing: a program that needs
// /proc/self fails, and none gets a wrong answer. /sys says how many processors there are. Source: OCI
// runtime-spec 1.0, config-linux.md "Default Devices"; runtime-linux.md "Dev symbolic links".
#pragma once

#include "util/file.hpp"

namespace bottle::run {

// Each into a directory that exists and is empty.
void imitate_dev(const fs::path& directory);
void imitate_proc(const fs::path& directory);
void imitate_sys(const fs::path& directory);

}  // namespace bottle::run
