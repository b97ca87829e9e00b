// SPDX-License-Identifier: Apache-2.0
// Ending processes that continued when the builder that started them was killed, found by what only they
// have.
#pragma once

#include <chrono>
#include <string>

#include "util/file.hpp"

namespace bottle::container {

// Each sends SIGKILL until no such process is there, and passes over processes that this user may not look at
// or signal. False: one was still there after so long, or where to look could not be found out.

// Those whose root directory is below this one: a RUN in a chroot.
bool end_processes_rooted_below(const fs::path& directory, std::chrono::milliseconds limit);
// Those in a container that was given its names of hosts, its own name or its mark from below this directory:
// a RUN under a runtime, whatever the runtime itself remembers of it. The directory may be gone.
bool end_processes_named_from(const fs::path& directory, std::chrono::milliseconds limit);
// Those that have this line, "NAME=value", in the environment that they were started with.
bool end_processes_marked(const std::string& mark, std::chrono::milliseconds limit);

}  // namespace bottle::container
