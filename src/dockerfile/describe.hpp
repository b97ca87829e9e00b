// SPDX-License-Identifier: Apache-2.0
// How a Dockerfile was understood, as JSON for people and tests (bottle-fingerprint --print). Empty and
// default values are left out.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "dockerfile/instructions.hpp"
#include "dockerfile/stages.hpp"

namespace bottle::dockerfile {

// {"directives": {...}, "meta_args": [instruction...], "stages": [{"from": instruction, "instructions":
// [...]}]}
nlohmann::json describe(const Dockerfile& file);
// {"instruction": "COPY", "lines": [3, 4], "text": "...", "comments": [...], and the fields of its struct}
nlohmann::json describe(const Instruction& instruction);
// {"target": 2, "needed": [0, 2], "globals": {...}, "stages": [{"number", "name", "base", "origin",
// "platform", ...}]}
nlohmann::json describe(const StagePlan& plan);

}  // namespace bottle::dockerfile
