// SPDX-License-Identifier: Apache-2.0
// The Dockerfile that an outside engine is given: the stages that the target needs, each instruction on the
// line where it was, and the names of everything from outside replaced by references that the engine knows.
// Builders that have no named contexts, no stages to leave out and no way to be offline get by with it.
#pragma once

#include <map>
#include <string>

#include "image/resolve/resolve.hpp"

namespace bottle::image::engine {

// What a stage or an instruction takes from outside the Dockerfile, as names: Resolved::image() and
// Resolved::scan().
struct OutsideNames {
  std::map<std::string, std::string> images;  // name -> reference
  std::map<std::string, std::string> scans;   // "context:<name>" -> reference
};
// Those that are used; the references are empty.
OutsideNames outside_names(const resolve::Resolved& resolved);

// Throws SourceError for what cannot be said to an engine: a trigger of a base that copies from elsewhere
// than the context, a --from that is written with quotes.
std::string engine_dockerfile(const resolve::Resolved& resolved, const OutsideNames& names);

}  // namespace bottle::image::engine
