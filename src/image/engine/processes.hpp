// Ending processes that went on when the builder that started them was killed, found by what only they have.
#pragma once

#include <string>

#include "util/file.hpp"

namespace bottle::image {

// Each sends SIGKILL until no such process is there, waits up to a second for one to be gone, and passes over
// processes that this user may not look at or signal.

// Those whose root directory is below this one: a RUN in a chroot.
void end_processes_rooted_below(const fs::path& directory);
// Those in a container that was given its names of hosts, its own name or its mark from below this directory:
// a RUN under a runtime, whatever the runtime itself remembers of it. The directory may be gone.
void end_processes_named_from(const fs::path& directory);
// Those that have this line, "NAME=value", in the environment that they were started with.
void end_processes_marked(const std::string& mark);

}  // namespace bottle::image
