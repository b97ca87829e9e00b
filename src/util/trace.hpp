// SPDX-License-Identifier: Apache-2.0
// A line for each step a tool took, in the file named by $BOTTLE_TRACE: how tests and curious people count
// what ran.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bottle {

// Appends {"tool":...,"slug":...,"step":...,"outcome":...,<facts>} as one JSON line, with a single write
// (O_APPEND), so that processes running side by side do not mix. Does nothing unless $BOTTLE_TRACE is set.
void trace_step(std::string_view tool, std::string_view slug, std::string_view step, std::string_view outcome,
                const std::vector<std::pair<std::string, std::string>>& facts = {});

}  // namespace bottle
