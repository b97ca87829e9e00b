// SPDX-License-Identifier: Apache-2.0
#include "check_option.hpp"

#include <fmt/format.h>

#include "image/check.hpp"
#include "util/json.hpp"
#include "util/tool_main.hpp"

#include <cstdio>

namespace bottle::tools {

Option add_check_option(Subcommand app, bool& check) {
  return app.add_flag("--check", check,
                      "Report constructs that are legal and probably mistakes, and build nothing; exit with "
                      "3 if something was found");
}

int run_check(const image::BuildSpec& spec, const CommonOptions& common) {
  const image::CheckReport report = image::check(spec);
  const auto& warnings = report.lint.warnings;
  if (common.json) {
    fmt::print("{}\n", image::to_json(report).dump(1, ' ', false, OrderedJson::error_handler_t::replace));
    if (report.lint.error) return kFailed;
  } else {
    for (const dockerfile::LintWarning& warning : warnings)
      fmt::print("{}\n", warning.text(*report.source));
    std::fflush(stdout);  // before what the error says on stderr
    if (report.lint.error) throw dockerfile::SourceError(*report.lint.error);
    if (!common.quiet)
      fmt::print("{}: {}\n", report.source->name,
                 warnings.empty()       ? "no warnings"
                 : warnings.size() == 1 ? "1 warning"
                                        : fmt::format("{} warnings", warnings.size()));
  }
  return warnings.empty() ? kSuccess : kCheckFound;
}

}  // namespace bottle::tools
