// SPDX-License-Identifier: Apache-2.0
// bottle-why: which change caused what to run in the last build (docs/tools/bottle-why.md).
#include "explain/find_bottles.hpp"
#include "explain/report.hpp"
#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/tool_main.hpp"

#include <cstdio>
#include <vector>

namespace {

using namespace bottle;

explain::FoundBottle of_specification(const fs::path& file) {
  const Json json = parse_json(read_file(file), file.native());
  return {JsonView(json, file.native() + "#").at("slug").string(), fs::absolute(file).parent_path()};
}

int run(int argc, char** argv) {
  CommandLine app(
      "Explain why the steps of a bottle ran in the last build, and whether they will run in the next.",
      "bottle-why");
  CommonOptions common;
  app.add_common_options(common);
  app.footer("Example: bottle-why build hello");
  std::string build;
  std::string slug;
  std::string specification;
  Option directory_option =
      app.add_option("build-dir", build, "Search the build directory DIR of a project for bottles")
          .type_name("DIR");
  app.add_option("slug", slug, "Explain the bottle NAME only").type_name("NAME");
  app.add_option("--spec", specification,
                 "Explain the bottle of the specification FILE, instead of a directory and a name")
      .type_name("FILE")
      .excludes(directory_option);
  if (const auto status = app.parse(argc, argv)) return *status;

  std::vector<explain::FoundBottle> bottles;
  if (!specification.empty())
    bottles.push_back(of_specification(specification));
  else if (build.empty())
    throw UsageError("expected a build directory or --spec",
                     {.hint = "give the build directory of a project: bottle-why build"});
  else if (!fs::is_directory(build))
    throw UsageError("the directory does not exist",
                     {.where = build, .hint = "give the build directory of a project: bottle-why build"});
  else if (slug.empty())
    bottles = explain::find_bottles(build);
  else
    bottles.push_back(explain::find_bottle(build, slug));

  std::vector<explain::BottleReport> reports;
  reports.reserve(bottles.size());
  for (const explain::FoundBottle& found : bottles)
    reports.push_back(explain::report(found.slug, found.directory));
  std::string text;
  if (common.json)
    text = explain::to_json(reports);
  else if (reports.empty())
    text = "no bottle in " + build + "\n";
  for (const explain::BottleReport& report : reports)
    if (!common.json) text += explain::to_text(report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return kSuccess;
}

}  // namespace

int main(int argc, char** argv) {
  return bottle::run_tool("bottle-why", [&] { return run(argc, argv); });
}
