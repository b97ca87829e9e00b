// SPDX-License-Identifier: Apache-2.0
// Of the lint rules those that need the text of a Dockerfile only, and the list that all rules add to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dockerfile/instructions.hpp"
#include "dockerfile/lint_options.hpp"

namespace bottle::dockerfile {

bool is_lower(std::string_view text);

class LintWarnings {
 public:
  explicit LintWarnings(const SourceText& source) : source_(&source) {}

  // Unless the options skip the rule.
  void add(const LintOptions& options, std::string_view rule, LineRange lines, Position position,
           std::string message);
  // `word` is what the caret shall point at, "" for the instruction itself.
  void add(const LintOptions& options, std::string_view rule, const Instruction& at, std::string message,
           std::string_view word = {});
  // By line.
  std::vector<LintWarning> sorted();

 private:
  const SourceText* source_;
  std::vector<LintWarning> list_;
};

// What BuildKit checks while it parses.
void lint_syntax(const Dockerfile& file, const LintOptions& options, LintWarnings& warnings);
// The same of the instruction that a PartialDockerfile ends at.
void lint_wrong(const Node& node, const LintOptions& options, LintWarnings& warnings);
void lint_stage_names(const Dockerfile& file, const LintOptions& options, LintWarnings& warnings);
void lint_casing(const Dockerfile& file, const LintOptions& options, LintWarnings& warnings);

}  // namespace bottle::dockerfile
