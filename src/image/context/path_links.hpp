// SPDX-License-Identifier: Apache-2.0
// Where a path leads. The symbolic links on its way decide that as much as the path does, but no build tool
// looks at a link's own times: what changes with a link is the time of the directory that holds it.
#pragma once

#include <string>
#include <vector>

namespace bottle::image::context {

struct PathLinks {
  std::vector<std::string> links;  // each link that is followed, by a path without links
  std::string missing;             // the first name that does not exist, likewise; "" if all of them do
};

// Follows an absolute path by hand, links that lead through further links too. Never throws: a loop of links
// or a directory that cannot be searched ends the walk.
PathLinks links_on(const std::string& path);

// The directories whose times change when the path comes to lead elsewhere: those that hold a link on its
// way, and the one in which a missing name may appear. May name a directory twice.
std::vector<std::string> link_directories(const std::string& path);

// The same, and the directory that holds what the path leads to: its time changes when the file or directory
// is replaced, also by an older one.
std::vector<std::string> surroundings(const std::string& path);

}  // namespace bottle::image::context
