// bottle-registry: images in registries (docs/tools/bottle-registry-serve.md).
#include "bottle_registry_serve.hpp"
#include "util/command_line.hpp"
#include "util/tool_main.hpp"

#include <CLI/CLI.hpp>

namespace {

int run(int argc, char** argv) {
  CLI::App app("Images in registries.", "bottle-registry");
  bottle::CommonOptions common;
  bottle::add_common_options(app, common);
  app.require_subcommand(1);
  bottle::ServeCommand serve(app, common);
  if (const auto status = bottle::parse_command_line(app, argc, argv)) return *status;
  return serve.run();
}

}  // namespace

int main(int argc, char** argv) {
  return bottle::run_tool("bottle-registry", [&] { return run(argc, argv); });
}
