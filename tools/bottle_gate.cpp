// SPDX-License-Identifier: Apache-2.0
// bottle-gate: renders gates and launches them. Manual: docs/tools/bottle-gate.md.
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "gate/description.hpp"
#include "gate/launch.hpp"
#include "gate/render.hpp"
#include "gate/schema.hpp"
#include "gate/skills.hpp"
#include "image/context/depfile.hpp"
#include "image/context/path_links.hpp"
#include "util/command_line.hpp"
#include "util/digest.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/tool_main.hpp"
#include "util/trace.hpp"

namespace {

using namespace bottle;
using namespace bottle::gate;

// What a build system needs of a step: a stamp that says it ran, a result that changes only if the outcome
// did, and a depfile.
struct StepOptions {
  std::string stamp;
  std::string result;
  std::string depfile;

  void add_to(Subcommand command) {
    command.add_option("--stamp", stamp, "Touch FILE when all is done").type_name("FILE");
    command.add_option("--result", result, "List the outputs in FILE, and write it only if that changed")
        .type_name("FILE");
    command
        .add_option("--depfile", depfile, "Write a depfile for the stamp that names all files that were read")
        .type_name("FILE");
  }

  // Also the directories in which an input, or a link on the way to it, may be replaced by an older one: only
  // their times tell.
  static std::vector<std::string> with_surroundings(const std::vector<std::string>& inputs) {
    std::set<std::string> paths(inputs.begin(), inputs.end());
    for (const std::string& input : inputs)
      for (std::string& directory : image::context::surroundings(input))
        paths.insert(std::move(directory));
    return {paths.begin(), paths.end()};
  }

  void finish(const std::string& list, const std::vector<std::string>& inputs) const {
    if (!depfile.empty()) {
      if (stamp.empty()) throw UsageError("--depfile requires --stamp FILE");
      const std::vector<std::string> plain =
          image::context::plain_paths(with_surroundings(inputs), depfile + ".links");
      write_file_if_changed(depfile, image::context::depfile(stamp, {plain.begin(), plain.end()}));
    }
    if (!result.empty()) write_file_if_changed(result, list);
    if (!stamp.empty()) touch(stamp);
  }
};

struct RenderOptions {
  std::string config;
  std::string templates;
  std::string out;
  std::string slug;
  StepOptions step;

  Subcommand add_to(Subcommand app) {
    Subcommand render =
        app.add_subcommand("render",
                           "Write the scripts, hooks and known_hosts of a gate from its description.")
            .footer(
                "Example: bottle-gate render --config gate.json --templates templates/git-gate -o "
                "build/gate");
    render.add_option("--config", config, "Read the description of the gate, JSON, from FILE")
        .type_name("FILE")
        .required();
    render.add_option("--templates", templates, "Use the templates in DIR, for example templates/git-gate")
        .type_name("DIR")
        .required();
    render.add_option("-o,--out", out, "Write to DIR, which belongs to this gate alone")
        .type_name("DIR")
        .required();
    render.add_option("--slug", slug, "Name the gate NAME (default: the name of the directory)")
        .type_name("NAME");
    step.add_to(render);
    return render;
  }
};

int render(RenderOptions options, const CommonOptions& common) {
  if (options.slug.empty()) options.slug = fs::absolute(options.out).lexically_normal().filename().native();
  const Description description = load_description(options.config);
  RenderedScripts rendered = render_gate(description, options.slug, options.templates);
  const WriteOutcome outcome = write_rendered(rendered, options.out);
  std::vector<std::string> inputs = rendered.inputs;
  inputs.push_back(fs::absolute(options.config).lexically_normal().native());
  std::string list;
  for (const auto& [name, file] : rendered.files)
    list += fmt::format("{} {} {}\n", file.executable ? "755" : "644", sha256(file.content).hex(), name);
  options.step.finish(list, inputs);
  const bool same = outcome.written.empty() && outcome.removed.empty();
  trace_step("bottle-gate", options.slug, "render", same ? "unchanged" : "changed");
  if (common.json) {
    std::cout << OrderedJson{{"directory", options.out},
                             {"written", outcome.written},
                             {"removed", outcome.removed}}
                     .dump(2)
              << "\n";
  } else if (!common.quiet) {
    for (const std::string& name : outcome.written)
      fmt::print("{}: written\n", name);
    for (const std::string& name : outcome.removed)
      fmt::print("{}: removed\n", name);
  }
  return kSuccess;
}

struct SkillsOptions {
  std::string root;
  std::string out;
  std::string slug;
  std::vector<std::string> names;
  StepOptions step;

  Subcommand add_to(Subcommand app) {
    Subcommand skills = app.add_subcommand("skills", "Copy the skills of an agent's bottle into a directory.")
                            .footer("Example: bottle-gate skills --root skills -o build/skills review");
    skills.add_option("--root", root, "Find the skills in DIR").type_name("DIR").required();
    skills.add_option("-o,--out", out, "Write to DIR, which belongs to these skills alone")
        .type_name("DIR")
        .required();
    skills.add_option("--slug", slug, "Name the bottle NAME in messages").type_name("NAME");
    skills.add_option("names", names, "Copy the skill NAME").type_name("NAME").required();
    step.add_to(skills);
    return skills;
  }
};

int skills(const SkillsOptions& options) {
  const GatheredSkills gathered = gather_skills(options.root, options.names, options.out);
  options.step.finish(gathered.list, gathered.inputs);
  trace_step("bottle-gate", options.slug, "skills", "gathered");
  return kSuccess;
}

struct LaunchOptions {
  LaunchRequest request;
  std::string rendered;
  std::string secrets;
  std::uint64_t timeout = 30;

  Subcommand add_to(Subcommand app, const char* name, const char* text) {
    Subcommand command = app.add_subcommand(name, text)
                             .footer(std::string("Example: bottle-gate ") + name + " --rendered build/gate");
    command.add_option("--rendered", rendered, "Use the gate that render wrote to DIR")
        .type_name("DIR")
        .required();
    command.add_option("--program", request.program, "Run PROGRAM: docker or podman")
        .type_name("PROGRAM")
        .show_default();
    command.add_option("--image", request.image, "Run the image REF (default: <slug>:latest)")
        .type_name("REF");
    return command;
  }

  Subcommand add_up(Subcommand app) {
    Subcommand command = add_to(app, "up", "Start a gate in a container and print its address.");
    command.add_option("--name", request.name, "Name the container NAME (default: gate-<slug>)")
        .type_name("NAME");
    command
        .add_option("--egress", request.egress,
                    "Connect the gate to the outside through NETWORK; \"host\" is this machine's (default: "
                    "one for this gate)")
        .type_name("NETWORK");
    command
        .add_option("--memory", request.memory,
                    "Limit the memory of the container to SIZE, 0 for no limit (default: 2g for a git-gate, "
                    "256m for an ssh-gate)")
        .type_name("SIZE");
    command
        .add_option("--pids-limit", request.pids_limit,
                    "Limit processes and threads of the container to N, -1 for no limit (default: 1024 for "
                    "a git-gate, 256 for an ssh-gate)")
        .type_name("N");
    command.add_option("--secrets", secrets, "Find the identities that the description calls secrets in DIR")
        .type_name("DIR");
    command.add_option("--timeout", timeout, "Wait SECONDS for the gate to answer")
        .type_name("SECONDS")
        .show_default();
    return command;
  }

  LaunchRequest finished() const {
    LaunchRequest result = request;
    result.rendered = rendered;
    result.secrets = secrets;
    result.timeout = std::chrono::seconds(timeout);
    if (const auto home = environment::find(environment::kHome)) result.home = *home;
    result.note = [](const std::string& text) { fmt::print(stderr, "bottle-gate: {}\n", text); };
    if (result.image.empty()) result.image = slug_of(result.rendered) + ":latest";
    return result;
  }
};

int up(const LaunchOptions& options) {
  std::cout << gate_up(options.finished()).json();
  return kSuccess;
}

int down(const LaunchOptions& options, const CommonOptions& common) {
  const std::vector<std::string> removed = gate_down(options.finished());
  if (common.json)
    std::cout << OrderedJson{{"removed", removed}}.dump(2) << "\n";
  else if (!common.quiet)
    for (const std::string& name : removed)
      fmt::print("{}: removed\n", name);
  return kSuccess;
}

int status(const LaunchOptions& options) {
  const auto running = gate_status(options.finished());
  if (running)
    std::cout << running->json();
  else
    std::cout << "null\n";
  return running && running->answers ? kSuccess : kCheckFound;
}

int check(const std::string& config, const CommonOptions& common) {
  const Description description = load_description(config);
  if (common.json)
    std::cout << OrderedJson{{"file", config}, {"ok", true}, {"kind", kind_name(description.kind)}}.dump(2)
              << "\n";
  else if (!common.quiet)
    fmt::print("{}: a {}\n", config, kind_name(description.kind));
  return kSuccess;
}

}  // namespace

int main(int argc, char** argv) {
  return run_tool("bottle-gate", [&]() -> int {
    CommandLine app("Render and launch the gates between bottles and the outside.", "bottle-gate");
    CommonOptions common;
    app.add_common_options(common);
    app.footer("Example: bottle-gate up --rendered build/gate --secrets secrets");
    app.require_subcommand();
    RenderOptions options;
    Subcommand render_command = options.add_to(app);
    SkillsOptions skills_options;
    Subcommand skills_command = skills_options.add_to(app);
    LaunchOptions up_options;
    Subcommand up_command = up_options.add_up(app);
    LaunchOptions down_options;
    Subcommand down_command =
        down_options.add_to(app, "down", "Remove the containers and networks that `up` created.");
    LaunchOptions status_options;
    Subcommand status_command =
        status_options.add_to(app, "status", "Print the state of a gate; exit with 3 if it does not run.");
    std::string config;
    Subcommand check_command = app.add_subcommand("check", "Check the description of a gate.")
                                   .footer("Example: bottle-gate check gate.json");
    check_command.add_option("config", config, "Check the description in FILE").type_name("FILE").required();
    Subcommand schema_command = app.add_subcommand("schema", "Print the JSON Schema of descriptions.")
                                    .footer("Example: bottle-gate schema > gate.schema.json");

    if (const auto status = app.parse(argc, argv)) return *status;
    if (render_command.parsed()) return render(options, common);
    if (up_command.parsed()) return up(up_options);
    if (down_command.parsed()) return down(down_options, common);
    if (status_command.parsed()) return status(status_options);
    if (skills_command.parsed()) return skills(skills_options);
    if (check_command.parsed()) return check(config, common);
    if (schema_command.parsed()) {
      std::cout << gate_schema_text();
      return kSuccess;
    }
    throw UsageError("expected a command");
  });
}
