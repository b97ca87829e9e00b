// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "build_options.hpp"
#include "check_option.hpp"
#include "image/build_steps.hpp"
#include "image/context/depfile.hpp"
#include "image/context/input_record.hpp"
#include "image/describe.hpp"
#include "image/engine/engines.hpp"
#include "image/resolve/resolve.hpp"
#include "util/command_line.hpp"
#include "util/file.hpp"
#include "util/heap.hpp"
#include "util/json.hpp"
#include "util/tool_main.hpp"

namespace {

using namespace bottle;

void print_document(const OrderedJson& document) {
  fmt::print("{}\n", document.dump(1, ' ', false, OrderedJson::error_handler_t::replace));
}

void print(const std::string& emit, const image::context::DepfileOptions& depfiles,
           const image::FingerprintResult& result, bool json) {
  if (json) {
    OrderedJson document{{"key", result.key.hex()},
                         {"changed", result.changed},
                         {"filesRead", result.files_read},
                         {"milliseconds", result.milliseconds}};
    document["dependencies"] = OrderedJson::array();
    for (const image::context::Dependency& dependency : result.dependencies)
      document["dependencies"].push_back(dependency.path);
    print_document(document);
  } else if (emit == "text") {
    fmt::print("{}", result.key_text);
  } else if (emit == "depfile") {
    std::vector<std::string_view> paths;
    for (const image::context::Dependency& dependency : result.dependencies)
      paths.push_back(dependency.path);
    fmt::print("{}", image::context::depfile(depfiles.target.empty() ? "image" : depfiles.target, paths,
                                             depfiles.empty_rules));
  } else {
    fmt::print("{}\n", result.key.hex());
  }
}

using image::resolve::Unlocked;

void describe(const std::string& what, const image::BuildSpec& spec) {
  if (what == "ast") return print_document(image::describe_syntax(spec));
  if (what == "stages") return print_document(image::describe_stages(spec));
  const store::Store store = store::Store::open(spec.store);
  const image::resolve::Resolved resolved = image::resolve::resolve_image(
      image::engine::with_engine_programs(spec), store, {.unlocked = Unlocked::left_open});
  print_document(what == "inputs" ? image::describe_inputs(resolved) : image::describe_plan(resolved));
}

}  // namespace

int main(int argc, char** argv) {
  bottle::tune_heap(2);  // 15 MiB less with 200,000 files than with more, and no slower
  image::FingerprintResult result;
  // exit() leaves what `result` holds to the system, which takes all memory at once.
  std::exit(bottle::run_tool("bottle-fingerprint", [&] {
    CommandLine app(
        "Compute what an image depends on, its key and its depfile, from a Dockerfile and its inputs.\nWrite "
        "`key`, `key.d` and `key.stamp` with --spec or --out; print with --emit.",
        "bottle-fingerprint");
    CommonOptions common;
    app.add_common_options(common);
    app.footer("Example: bottle-fingerprint . --emit text");
    tools::BuildOptions options;
    options.add_to(app);
    std::string emit;
    std::string what;
    bool check = false;
    image::context::DepfileOptions depfiles;
    Option emit_option =
        app.add_option("--emit", emit, "Print the key, every input as readable lines, or a depfile")
            .type_name("FORM")
            .one_of({"key", "text", "depfile"});
    Option print_option =
        app.add_option("--print", what, "Print the parsed Dockerfile as JSON, and write nothing")
            .type_name("PART")
            .one_of({"ast", "stages", "inputs", "plan"})
            .excludes(emit_option);
    tools::add_check_option(app, check).excludes(emit_option).excludes(print_option);
    app.add_option("--depfile-target", depfiles.target,
                   "Name TARGET in the depfile (default: key.stamp in the directory of --out or --spec, as "
                   "written there)")
        .type_name("TARGET");
    app.add_flag("--depfile-phony", depfiles.empty_rules,
                 "Add an empty rule for each path to the depfile, as gcc -MP does: make needs them");
    app.add_option("--depfile-base", depfiles.base,
                   "Write paths below DIR, the working directory of Ninja, relative to it")
        .type_name("DIR");
    app.add_option("--depfile-parts", depfiles.parts,
                   "Write N more depfiles, key.inputs/N.<i>.d for the stamps key.inputs/N.<i>")
        .type_name("N");
    app.add_flag("--record", depfiles.record,
                 "Write inputs.record, for --scan, instead of depfiles (BOTTLE_SCAN=always)");
    std::string mode;
    app.add_option("--scan-mode", mode, "As --record if FILE contains the word always (BOTTLE_SCAN)")
        .type_name("FILE");
    std::string scan;
    app.add_option("--scan", scan,
                   "Compare the files with the inputs.record of each directory in FILE, a JSON array, and "
                   "touch inputs.stamp where they differ")
        .type_name("FILE");
    app.group_options("What to do");
    if (const auto status = app.parse(argc, argv)) return *status;
    if (!scan.empty()) {
      image::context::scan_inputs(scan);
      return static_cast<int>(kSuccess);
    }

    const image::BuildSpec spec = options.resolve();
    if (!mode.empty() && read_file(mode, 16) == "always\n") depfiles.record = true;
    if (depfiles.target.empty() && depfiles.base.empty()) depfiles.target = options.stamp_as_written();
    if (check) return tools::run_check(spec, common);
    if (!what.empty()) {
      describe(what, spec);
      return static_cast<int>(kSuccess);
    }
    if (options.has_directory()) {
      const auto warn = [](const std::string& text) { fmt::print(stderr, "{}\n", text); };
      result = image::fingerprint_step(spec, depfiles, warn);
      if (!emit.empty() || common.json) print(emit, depfiles, result, common.json);
      return static_cast<int>(kSuccess);
    }
    const store::Store store = store::Store::open(spec.store);
    // What a build reads can be told without knowing what the outside sources are; a key cannot.
    const bool only_files = emit == "depfile" && !common.json;
    const image::resolve::Resolved resolved = image::resolve::resolve_image(
        only_files ? image::engine::with_engine_programs(spec) : image::engine::with_engine(spec, store),
        store, {.unlocked = only_files ? Unlocked::left_open : Unlocked::refused});
    if (!only_files) {
      result.key_text = key_text(resolved);
      result.key = sha256(result.key_text);
    }
    result.dependencies = dependencies(resolved);
    result.files_read = files_read(resolved);
    print(emit, depfiles, result, common.json);
    return static_cast<int>(kSuccess);
  }));
}
