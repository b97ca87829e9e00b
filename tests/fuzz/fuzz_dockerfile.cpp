// SPDX-License-Identifier: Apache-2.0
// Any text is a Dockerfile or a clear error: parse, plan, expand, describe, check.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dockerfile/history.hpp"
#include "dockerfile/instructions.hpp"
#include "dockerfile/lint.hpp"
#include "dockerfile/stages.hpp"

using namespace bottle::dockerfile;

namespace {

void walk(const Dockerfile& file, const StagePlan& plan, const BuildValues& values) {
  for (const int number : plan.needed) {
    Scope scope(*file.source, file.escape(), plan.globals, values);
    for (const PlannedInstruction& planned : plan.stages[static_cast<std::size_t>(number)].instructions) {
      const ExpandedInstruction expanded = scope.expand(planned.instruction);
      created_by(expanded.instruction, {.shell = {}, .workdir = "/", .scope = &scope});
      scope.apply(expanded.instruction);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Dockerfile file = parse_dockerfile(text);
    BuildValues values;
    values.build_args = {{"a", "b"}, {"HTTP_PROXY", "$a"}};
    const LintReport report = lint(file, values, {.unknown_bases_are_empty = true});
    for (const LintWarning& warning : report.warnings)
      warning.text(*file.source);
    walk(file, plan_stages(file, values, {"context1"}), values);
  } catch (const bottle::Error& error) {
    // Every error says something; anything else that is thrown is a finding.
    if (error.message().empty()) __builtin_trap();
  }
  return 0;
}
