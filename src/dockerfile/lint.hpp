// SPDX-License-Identifier: Apache-2.0
// Warnings about Dockerfiles that build but probably not as meant: BuildKit's build checks under their own
// names (Dockerfile reference, "check" directive; docs.docker.com/reference/build-checks).
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/ignore.hpp"
#include "dockerfile/instructions.hpp"
#include "dockerfile/lint_options.hpp"
#include "dockerfile/scope.hpp"
#include "dockerfile/stages.hpp"

namespace bottle::dockerfile {

// What is known of an outside base image.
struct BaseFacts {
  Environment environment;
  std::vector<std::string> shell;
  std::vector<std::string> triggers;  // ONBUILD
  std::optional<oci::Platform> platform;
};

struct LintFacts {
  std::set<std::string> contexts;         // names of named contexts
  const IgnoreMatcher* ignore = nullptr;  // for CopyIgnoredFile
  // nullopt for a base of which nothing is known. In stages on such a base UndefinedVar is silent, since the
  // base may define the variable, unless unknown bases are taken to be empty.
  std::function<std::optional<BaseFacts>(const PlannedStage&)> base = {};
  bool unknown_bases_are_empty = false;
  std::optional<LintOptions> options = {};  // in place of those of the file's "# check="
  bool target_only = false;                 // check what the last stage needs when there is no target
};

struct LintReport {
  std::vector<LintWarning> warnings;  // by line
  std::optional<SourceError> error;   // what stopped the checks: the file would not build
  bool warnings_are_errors = false;   // "error=true" is among the options
};

// Without a target in `values` all stages are checked (see LintFacts::target_only), else those that it needs.
LintReport lint(const Dockerfile& file, const BuildValues& values, const LintFacts& facts = {});
// Of a file with a wrong instruction: the rules that need no more than the instructions up to that one.
LintReport lint(const PartialDockerfile& partial, const BuildValues& values, const LintFacts& facts = {});

// All rule names, sorted.
const std::vector<std::string>& lint_rule_names();

}  // namespace bottle::dockerfile
