// SPDX-License-Identifier: Apache-2.0
// A warning about a Dockerfile, and the options that choose among them.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/source.hpp"

namespace bottle::dockerfile {

struct LintWarning {
  std::string rule;     // "FromAsCasing"
  std::string message;  // about this place
  LineRange lines;
  Position position;

  // "Dockerfile:3:1: warning: <message> [FromAsCasing]", the line with a caret, and the hint.
  std::string text(const SourceText& source) const;
  std::string hint() const;  // what to do about it
  // Where the rule is explained; "" for the one rule without a page.
  std::string url() const;
};

// "skip=RuleA,RuleB;error=true;experimental=all", the value of "# check=".
struct LintOptions {
  bool skip_all = false;
  std::set<std::string> skipped;
  bool experimental_all = false;
  std::set<std::string> experimental;
  bool error = false;  // warnings fail the build

  bool wants(std::string_view rule) const;
  void merge(const LintOptions& other);  // all but `error`
  // And what "# check=..." says in the comments right above an instruction, for that instruction.
  LintOptions with(const std::vector<std::string>& comments) const;
};
// nullopt for text that is not a list of options.
std::optional<LintOptions> parse_lint_options(std::string_view text);

}  // namespace bottle::dockerfile
