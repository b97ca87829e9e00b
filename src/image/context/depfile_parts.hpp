// SPDX-License-Identifier: Apache-2.0
// The depfiles that a fingerprint writes: one, or for Ninja many short ones.
//
// Ninja compares each path of a depfile with all before it in the same file (seen in 1.11), so one with
// 20,000 paths takes longer to read than all of them take to look at. In parts it does not: each part has a
// stamp, made by a rule that does nothing else and has the part's depfile; the fingerprint's rule depends on
// the stamps, and writes the depfiles, which Ninja reads when it starts the next time.
//
// Ninja runs the rule of a part again if a path in its depfile is newer than the rule's last run. So a path
// is put into a part whose stamp is newer than the path, or else into `key.d`, the depfile of the
// fingerprint's rule itself, which runs later than all of them. A path that comes to be newer than its
// stamp makes the fingerprint run again, and be it once too often; none is ever overlooked, because each is
// in one of the files, and `key.stamp` is absent while they are rewritten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "image/context/depfile.hpp"
#include "util/file.hpp"

namespace bottle::image::context {

struct DepfileOptions {
  std::string target;  // what the one depfile is for; empty: `key.stamp`
  std::string base;    // not empty: Ninja's directory, paths below it are relative to it, as Ninja's own are
  std::size_t parts = 0;     // how many there are beside `key.d`
  bool empty_rules = false;  // in `key.d`, for Make: see depfile()
  bool record = false;       // write `inputs.record` instead (input_record.hpp)
};

// Writes `key.d` and `key.inputs/<parts>.<i>.d` in `directory`, each only if it changes, and then removes
// `key.stamp` first. With a base also `key.parts`: how many parts should be made the next time that CMake
// writes the rules.
void write_depfiles(const fs::path& directory, const DepfileOptions& options,
                    const std::vector<Dependency>& dependencies);

// How many parts so many paths should have: few rules, and no long depfile. CMake has the same figures
// (_bottle_parts in BottleRules.cmake).
std::size_t wanted_parts(std::size_t paths);

}  // namespace bottle::image::context
