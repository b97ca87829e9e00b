// SPDX-License-Identifier: Apache-2.0
// Why the steps of a bottle ran, from what they left in its build directory (store/step_record.hpp).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "explain/key_text.hpp"
#include "store/step_record.hpp"
#include "util/file.hpp"

namespace bottle::explain {

struct StepReport {
  std::string step;                         // "image", "pack"
  std::optional<store::StepRecord> record;  // what the last run did; nullopt: it never ran here
  // The last two different builds of it here. Empty with fewer than two. They explain the last run if its
  // reason is "changed"; else they are history.
  std::vector<Change> changes;
};

struct BottleReport {
  std::string slug;
  fs::path directory;
  std::vector<StepReport> steps;
  // What the fingerprint saw last against the key text of the last image: what the next build will run for.
  // nullopt when one of the two is missing.
  std::optional<std::vector<Change>> pending;
};

// The bottle whose files are in `directory`. What is missing there is reported as never built; a file that
// cannot be understood is an Error naming it.
BottleReport report(const std::string& slug, const fs::path& directory);

// For people: "hello (/path)\n  image: built in 12 ms ..., because its inputs changed\n    context file ...".
std::string to_text(const BottleReport& report);
// docs/tools/bottle-why.md, "JSON".
std::string to_json(const std::vector<BottleReport>& reports);

}  // namespace bottle::explain
