// bottle-gate: renders gates and launches them. Manual: docs/tools/bottle-gate.md.
#include <cstdlib>
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

  void add_to(Command command) {
    command.add_option("--stamp", stamp, "A file to touch when all is done");
    command.add_option("--result", result, "A file that lists what was made, written only if that changed");
    command.add_option("--depfile", depfile, "A depfile for the stamp, naming all that was read");
  }

  // Also the directories that hold links on the way to an input, or a file that may be replaced by an older
  // one: only their times tell.
  static std::vector<std::string> with_surroundings(const std::vector<std::string>& inputs) {
    std::set<std::string> paths(inputs.begin(), inputs.end());
    for (const std::string& input : inputs) {
      for (std::string& directory : image::context::link_directories(input))
        paths.insert(std::move(directory));
      std::error_code none;
      if (!fs::is_directory(input, none)) paths.insert(fs::path(input).parent_path().native());
    }
    return {paths.begin(), paths.end()};
  }

  void finish(const std::string& list, const std::vector<std::string>& inputs) const {
    if (!depfile.empty()) {
      if (stamp.empty()) throw UsageError("--depfile needs --stamp");
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

  Command add_to(Command app) {
    Command render =
        app.add_subcommand("render", "Make a gate's scripts, hooks and known_hosts from its description.");
    render.add_option("--config", config, "The gate's description, a JSON file").required();
    render.add_option("--templates", templates, "Directory of templates, for example templates/git-gate")
        .required();
    render.add_option("-o,--out", out, "Directory to write to, of the gate's own").required();
    render.add_option("--slug", slug, "The gate's name (default: the directory's)");
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

  Command add_to(Command app) {
    Command skills = app.add_subcommand("skills", "Gather the skills that an agent's bottle is given.");
    skills.add_option("--root", root, "Where the skills are").required();
    skills.add_option("-o,--out", out, "Directory to write to, of these skills' own").required();
    skills.add_option("--slug", slug, "The bottle's name, for messages");
    skills.add_option("names", names, "Names of skills").required();
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

  Command add_to(Command app, const char* name, const char* text) {
    Command command = app.add_subcommand(name, text);
    command.add_option("--rendered", rendered, "The directory that render wrote").required();
    command.add_option("--program", request.program, "docker or podman").show_default();
    command.add_option("--image", request.image, "The image to run (default: <slug>:latest)");
    return command;
  }

  Command add_up(Command app) {
    Command command = add_to(app, "up", "Start a gate in a container and say where it is.");
    command.add_option("--name", request.name, "Name of the container (default: gate-<slug>)");
    command.add_option(
        "--egress", request.egress,
        "Network of the way out; \"host\" is this machine's own (default: one made for the gate)");
    command.add_option("--memory", request.memory,
                       "Memory of the container, \"512m\" (default: 2g for a git-gate, 256m for an ssh-gate; "
                       "0: no limit)");
    command.add_option("--pids-limit", request.pids_limit,
                       "Processes and threads of the container (default: 1024 for a git-gate, 256 for an "
                       "ssh-gate; -1: no limit)");
    command.add_option("--secrets", secrets, "Directory of identities that the description calls secrets");
    command.add_option("--timeout", timeout, "Seconds until the gate has to answer").show_default();
    return command;
  }

  LaunchRequest finished() const {
    LaunchRequest result = request;
    result.rendered = rendered;
    result.secrets = secrets;
    result.timeout = std::chrono::seconds(timeout);
    if (const char* home = std::getenv("HOME")) result.home = home;
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
    CommandLine app("Renders and launches the gates between bottles and the outside.", "bottle-gate");
    CommonOptions common;
    app.add_common_options(common);
    app.require_subcommand();
    RenderOptions options;
    Command render_command = options.add_to(app);
    SkillsOptions skills_options;
    Command skills_command = skills_options.add_to(app);
    LaunchOptions up_options;
    Command up_command = up_options.add_up(app);
    LaunchOptions down_options;
    Command down_command = down_options.add_to(app, "down", "Remove what up made.");
    LaunchOptions status_options;
    Command status_command =
        status_options.add_to(app, "status", "Say whether a gate is up; status 3 if it is not.");
    std::string config;
    Command check_command = app.add_subcommand("check", "Check a description.");
    check_command.add_option("config", config, "The description, a JSON file").required();
    Command schema_command =
        app.add_subcommand("schema", "Print the JSON Schema of descriptions, for editors.");

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
