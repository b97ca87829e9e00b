// SPDX-License-Identifier: Apache-2.0
// BuildKit's build checks on the Dockerfile of a specification (dockerfile/lint.hpp), with what is known
// here: named contexts, the ignore file, outside bases, and the build argument BUILDKIT_DOCKERFILE_CHECK,
// which stands in for the file's "# check=" (BuildKit, frontend/dockerui).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "dockerfile/lint.hpp"
#include "image/model/spec.hpp"
#include "image/resolve/resolve.hpp"

namespace bottle::image {

struct CheckReport {
  std::shared_ptr<const dockerfile::SourceText> source;
  dockerfile::LintReport lint;
};

// The rules alone, of all stages unless the specification has a target. A base that cannot be fetched is
// treated as unknown. Throws SourceError for wrong syntax; a wrong instruction is LintReport::error.
CheckReport check(const BuildSpec& spec);
// In a build: the stages that the target needs.
CheckReport check(const resolve::Resolved& resolved);

// {"file", "error": bool, "warnings": [{"rule", "message", "line", "column", "lines", "hint", "url"}],
// "buildError": {...}}
nlohmann::ordered_json to_json(const CheckReport& report);

// With "error=true" each warning goes to `warn` and an Error is thrown that names the rules, if any fired.
void refuse_warnings(const CheckReport& report, const std::function<void(const std::string&)>& warn);

}  // namespace bottle::image
