// SPDX-License-Identifier: Apache-2.0
// The processes below this one, ended without a process namespace that would end them: everything that a
// command has started becomes a child of the nearest subreaper above it when its parent ends.
// Source: prctl(2), PR_SET_CHILD_SUBREAPER; pidfd_open(2); proc(5), /proc/<pid>/stat.
#pragma once

#include <sys/types.h>

namespace bottle::run {

// Makes this process the one that orphans below it become children of.
void become_subreaper();

// Kills all processes below this one and waits until they are gone; first stops them, so that none can start
// another. Returns how many there were. Only its own descendants are touched, and it needs /proc.
int end_descendants();

}  // namespace bottle::run
