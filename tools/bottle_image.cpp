// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "bottle_image_docker.hpp"
#include "build_options.hpp"
#include "check_option.hpp"
#include "image/build_steps.hpp"
#include "store/store.hpp"
#include "util/command_line.hpp"
#include "util/error.hpp"
#include "util/heap.hpp"
#include "util/json.hpp"
#include "util/tool_main.hpp"

namespace {

using namespace bottle;

std::string count_of(std::size_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string tag_of(const image::BuildSpec& spec) {
  return spec.tag.empty() ? spec.slug + ":latest" : spec.tag;
}

OrderedJson export_json(const image::ExportReport& exported, const fs::path& layout) {
  return {{"layout", layout.native()},
          {"imageDigest", exported.image_digest.string()},
          {"imageId", exported.image_id.string()},
          {"layersWritten", exported.layers_written},
          {"layersCopied", exported.layers_copied}};
}

void warn(const std::string& text) {
  fmt::print(stderr, "{}\n", text);
}

struct BuildFlags {
  bool check = false;
  bool fingerprinted = false;
};

int build(const tools::BuildOptions& options, const std::string& layout, const BuildFlags& flags,
          const CommonOptions& common, image::ImageResult& result) {
  image::BuildSpec spec = options.resolve();
  if (flags.check) return tools::run_check(spec, common);
  // Without a place for the plan it lives only as long as the export takes.
  // The open store keeps a collection from taking it.
  std::optional<store::Store> store;
  std::unique_ptr<TemporaryDirectory> scratch;
  if (!options.has_directory()) {
    store = store::Store::open(spec.store);
    const fs::path parent = store->directory() / "tmp";
    make_directories(parent);
    scratch = std::make_unique<TemporaryDirectory>(parent);
    spec.directory = scratch->path();
  }
  result = image::image_step(spec, warn, flags.fingerprinted);
  OrderedJson document{{"slug", spec.slug},
                       {"outcome", result.outcome},
                       {"planDigest", result.plan_digest.string()},
                       {"key", result.key.hex()},
                       {"layers", result.layers},
                       {"instructions", {{"executed", result.executed}, {"stored", result.stored}}},
                       {"milliseconds", result.milliseconds}};
  if (!layout.empty())
    document["oci"] = export_json(image::export_step(spec, layout, tag_of(spec), warn), layout);
  if (common.json) {
    fmt::print("{}\n", document.dump(1));
  } else if (!common.quiet) {
    const char* what = result.outcome == "stored"      ? "found in the store"
                       : result.outcome == "unchanged" ? "unchanged"
                                                       : nullptr;
    fmt::print("{}: {} ({}, {})\n", spec.slug, result.plan_digest.string(), count_of(result.layers, "layer"),
               what != nullptr ? what
                               : fmt::format("{} executed, {} found in the store",
                                             count_of(result.executed, "instruction"), result.stored));
    if (!layout.empty()) fmt::print("{}: {}\n", layout, document["oci"]["imageDigest"].get<std::string>());
  }
  return kSuccess;
}

int export_image(const tools::BuildOptions& options, const std::string& layout, const CommonOptions& common) {
  if (!options.has_directory())
    throw UsageError("expected the build directory of a bottle",
                     {.where = "bottle-image export",
                      .hint = "give the bottle's build directory: bottle-image export build/bottles/<slug>"});
  const image::BuildSpec spec = options.resolve();
  // With a specification a missing plan is built again; a wrong path must not become a directory.
  if (spec.file.empty() && !fs::exists(spec.directory / "image.json"))
    throw Error("no image plan in this directory: image.json does not exist",
                {.where = spec.directory.native(),
                 .hint = "give the bottle's build directory: bottle-image export build/bottles/<slug>"});
  const fs::path target = layout.empty() ? spec.directory / "oci" : fs::path(layout);
  const image::ExportReport exported = image::export_step(spec, target, tag_of(spec), warn);
  if (common.json)
    fmt::print("{}\n", export_json(exported, target).dump(1));
  else if (!common.quiet)
    fmt::print("{}: {}\n", target.native(), exported.image_digest.string());
  return kSuccess;
}

}  // namespace

int main(int argc, char** argv) {
  bottle::tune_heap(2);  // 15 MiB less with 200,000 files than with more, and no slower
  image::ImageResult result;
  // exit() leaves what `result` holds to the system, which takes all memory at once.
  std::exit(bottle::run_tool("bottle-image", [&] {
    CommandLine app("Build images from Dockerfiles without a daemon, and export them as OCI image layouts.",
                    "bottle-image");
    CommonOptions common;
    app.add_common_options(common);
    app.footer("Example: bottle-image build . --out build/hello");
    app.require_subcommand();
    tools::BuildOptions build_options;
    std::string build_layout;
    Subcommand build_command =
        app.add_subcommand("build", "Build the image plan, and with --oci an OCI image layout.")
            .footer("Example: bottle-image build . --out build/hello --oci build/hello/oci");
    build_options.add_to(build_command);
    BuildFlags flags;
    Option check_option = tools::add_check_option(build_command, flags.check);
    build_command.add_flag("--fingerprinted", flags.fingerprinted,
                           "Use the files as `key` describes them: bottle-fingerprint has just run");
    build_command.add_option("--oci", build_layout, "Write the image as an OCI image layout to DIR")
        .type_name("DIR")
        .excludes(check_option);
    build_command.group_options("Output, lock and store");
    tools::BuildOptions export_options;
    std::string export_layout;
    Subcommand export_command =
        app.add_subcommand("export", "Write a built image as an OCI image layout.")
            .footer("Example: bottle-image export build/bottles/hello --layout hello-layout");
    export_options.add_to(export_command, tools::BuildOptions::Place::built);
    export_command
        .add_option("--layout,--oci", export_layout, "Write the layout to DIR (default: oci beside the plan)")
        .type_name("DIR");
    const auto docker_command = tools::add_docker_commands(app, common);
    if (const auto status = app.parse(argc, argv)) return *status;
    if (const auto status = docker_command()) return *status;
    return build_command.parsed() ? build(build_options, build_layout, flags, common, result)
                                  : export_image(export_options, export_layout, common);
  }));
}
