// SPDX-License-Identifier: Apache-2.0
// Skills: directories of the user's that an agent is given. They are gathered in one directory, which becomes
// a named context.
#pragma once

#include <string>
#include <vector>

#include "util/file.hpp"

namespace bottle::gate {

struct GatheredSkills {
  std::string list;                 // a line for each file and link: mode, digest or target, path
  std::vector<std::string> inputs;  // absolute paths: each file, and each directory that was looked through
};

// Makes `out` hold a copy of each `<root>/<name>` under its name and nothing else: regular files (0755 if
// their owner may execute them, else 0644), directories and symbolic links; of a file that did not change not
// even the time does. The root's own entry for a skill may be a symbolic link to where it is kept. Throws
// naming the skills that exist when one does not; a name is one component of a path.
GatheredSkills gather_skills(const fs::path& root, const std::vector<std::string>& names,
                             const fs::path& out);

}  // namespace bottle::gate
