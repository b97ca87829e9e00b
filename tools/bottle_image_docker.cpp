// SPDX-License-Identifier: Apache-2.0
#include "bottle_image_docker.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "build_options.hpp"
#include "container/client.hpp"
#include "container/name.hpp"
#include "image/build_steps.hpp"
#include "image/engine/load.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/tool_main.hpp"

namespace bottle::tools {
namespace {

using container::Client;
using container::CommandStatus;
using container::OnFailure;

struct DockerOptions {
  std::string program = "docker";
  std::string on_failure = "fail";
  std::string first;   // an image or container
  std::string second;  // a name, file or network
  std::string third;
  std::string name;
  std::vector<std::string> options;
  std::vector<std::string> words;

  OnFailure policy() const {
    return on_failure == "fail"     ? OnFailure::fatal
           : on_failure == "status" ? OnFailure::status
                                    : OnFailure::best_effort;
  }
  Client client() const {
    return Client(program, [](const std::string& text) { fmt::print(stderr, "warning: {}\n", text); });
  }
};

// The exit status of a failure that was not an Error: 3 with "status", 0 with "ignore".
int exit_status(const DockerOptions& options, const container::CommandStatus& status,
                const CommonOptions& common) {
  if (common.json)
    fmt::print(
        "{}\n",
        OrderedJson{{"code", status.code}, {"output", status.output}, {"message", status.message}}.dump(
            -1, ' ', false, OrderedJson::error_handler_t::replace));
  else if (status.ok() && !status.output.empty())
    fmt::print("{}\n", status.output);
  if (status.ok() || options.policy() == OnFailure::best_effort) return kSuccess;
  fmt::print(stderr, "{}: {}\n", options.program, status.message);
  return kCheckFound;
}

struct DockerCommand {
  const char* name;
  const char* description;
  const char* example;
  std::function<void(Subcommand, DockerOptions&)> add_options;
  std::function<int(const DockerOptions&, const CommonOptions&)> run;
};

void add_image(Subcommand app, DockerOptions& options) {
  app.add_option("image", options.first, "Use the image REF").type_name("REF").required();
}
void add_container(Subcommand app, DockerOptions& options) {
  app.add_option("container", options.first, "Use the container NAME").type_name("NAME").required();
}

std::vector<DockerCommand> docker_commands() {
  return {
      {"image-id", "Print the ID of an image; exit with 3 if it does not exist.", "image-id hello:latest",
       add_image,
       [](const DockerOptions& options, const CommonOptions&) -> int {
         const auto id = options.client().image_id(options.first, options.policy());
         if (id) fmt::print("{}\n", *id);
         return id ? kSuccess : kCheckFound;
       }},
      {"tag", "Give an image another name.", "tag hello:latest registry.example/team/hello:1.0",
       [](Subcommand app, DockerOptions& options) {
         add_image(app, options);
         app.add_option("name", options.second, "Name the image REF").type_name("REF").required();
       },
       [](const DockerOptions& options, const CommonOptions& common) {
         return exit_status(options, options.client().tag(options.first, options.second, options.policy()),
                            common);
       }},
      {"push", "Push an image to the registry in its name.", "push registry.example/team/hello:1.0",
       add_image,
       [](const DockerOptions& options, const CommonOptions& common) {
         return exit_status(options, options.client().push(options.first, options.policy()), common);
       }},
      {"exists", "Exit with 0 if the container exists, running or not, else with 3.", "exists gate-project",
       add_container,
       [](const DockerOptions& options, const CommonOptions&) -> int {
         return options.client().container_exists(options.first, options.policy()) == true ? kSuccess
                                                                                           : kCheckFound;
       }},
      {"rm", "Remove a container, running or not, if it exists.", "rm gate-project", add_container,
       [](const DockerOptions& options, const CommonOptions& common) {
         return exit_status(options, options.client().force_remove(options.first, options.policy()), common);
       }},
      {"create", "Create a container under the first free name of NAME, NAME-2 to NAME-99; print the name.",
       "create --name agent hello:latest /bin/sh",
       [](Subcommand app, DockerOptions& options) {
         app.add_option("--name", options.name, "Try NAME, NAME-2 to NAME-99").type_name("NAME").required();
         app.add_option("--option", options.options, "Pass WORD to `docker create`; repeatable")
             .type_name("WORD");
         add_image(app, options);
         app.add_option("command", options.words, "Run this command in the container").type_name("WORD");
       },
       [](const DockerOptions& options, const CommonOptions&) -> int {
         fmt::print(
             "{}\n",
             container::create_with_free_name(
                 options.client(),
                 {.image = options.first, .name = {}, .options = options.options, .command = options.words},
                 options.name));
         return kSuccess;
       }},
      {"free-name", "Print the first of NAME, NAME-2 to NAME-99 that no container has.", "free-name agent",
       [](Subcommand app, DockerOptions& options) {
         app.add_option("name", options.first, "Try NAME, NAME-2 to NAME-99").type_name("NAME").required();
       },
       [](const DockerOptions& options, const CommonOptions&) -> int {
         fmt::print("{}\n", container::free_container_name(options.client(), options.first));
         return kSuccess;
       }},
      {"cp", "Copy a file or directory into a container.", "cp agent notes.txt /tmp/notes.txt",
       [](Subcommand app, DockerOptions& options) {
         add_container(app, options);
         app.add_option("from", options.second, "Copy the file or directory PATH")
             .type_name("PATH")
             .required();
         app.add_option("to", options.third, "Copy to PATH in the container").type_name("PATH").required();
       },
       [](const DockerOptions& options, const CommonOptions& common) {
         return exit_status(
             options,
             options.client().copy_into(options.first, options.second, options.third, options.policy()),
             common);
       }},
      {"connect", "Attach a container to a network.", "connect agent gate-network",
       [](Subcommand app, DockerOptions& options) {
         app.add_option("network", options.second, "Attach to the network NAME").type_name("NAME").required();
         add_container(app, options);
       },
       [](const DockerOptions& options, const CommonOptions& common) {
         return exit_status(options,
                            options.client().attach_network(options.second, options.first, options.policy()),
                            common);
       }},
      {"start", "Start a container.", "start agent", add_container,
       [](const DockerOptions& options, const CommonOptions& common) {
         return exit_status(options, options.client().start(options.first, options.policy()), common);
       }},
      {"exec", "Execute a command in a running container, as root.", "exec agent /bin/ls /",
       [](Subcommand app, DockerOptions& options) {
         add_container(app, options);
         app.add_option("command", options.words, "Execute this command").type_name("WORD").required();
       },
       [](const DockerOptions& options, const CommonOptions& common) {
         return exit_status(options,
                            options.client().execute_as_root(options.first, options.words, options.policy()),
                            common);
       }},
  };
}

struct LoadOptions {
  BuildOptions build;
  std::string into;

  int run(const CommonOptions& common) const {
    if (!build.has_directory())
      throw UsageError("expected the build directory of a bottle",
                       {.where = "bottle-image load",
                        .hint = "give the bottle's build directory: bottle-image load build/bottles/<slug>"});
    const image::BuildSpec spec = build.resolve();
    const std::string program = !into.empty() ? into : spec.engine == "podman" ? "podman" : "docker";
    const std::string name = spec.tag.empty() ? spec.slug + ":latest" : spec.tag;
    container::LoadReport loaded;
    image::with_repair(
        spec, image::OwnImage::is_read, [](const std::string& text) { fmt::print(stderr, "{}\n", text); },
        [&] { loaded = image::engine::load_step(spec, name, program); });
    if (common.json)
      fmt::print("{}\n", OrderedJson{{"name", name},
                                     {"imageId", loaded.image_id},
                                     {"layers", loaded.layers},
                                     {"transferred", loaded.transferred}}
                             .dump());
    else if (!common.quiet)
      fmt::print("{}: {}, {} of {} layers sent to {}\n", name, loaded.image_id, loaded.transferred,
                 loaded.layers, program);
    return kSuccess;
  }
};

}  // namespace

std::function<std::optional<int>()> add_docker_commands(Subcommand app, const CommonOptions& common) {
  const auto load = std::make_shared<LoadOptions>();
  Subcommand load_command =
      app.add_subcommand("load", "Load the missing layers of a built image into Docker or Podman.")
          .footer("Example: bottle-image load build/bottles/hello --into podman");
  load->build.add_to(load_command, BuildOptions::Place::built);
  load_command
      .add_option("--into", load->into,
                  "Load into docker or podman (default: the engine if it is one of them)")
      .type_name("PROGRAM")
      .one_of({"docker", "podman"});

  Subcommand docker =
      app.add_subcommand("docker", "Run one command of Docker or Podman with a failure policy.")
          .footer("Example: bottle-image docker --program podman --on-failure status exists gate-project");
  docker.require_subcommand();
  const auto options = std::make_shared<DockerOptions>();
  docker.add_option("--program", options->program, "Run docker or podman")
      .type_name("PROGRAM")
      .show_default();
  docker
      .add_option("--on-failure", options->on_failure,
                  "Exit with 1 (fail) or 3 (status), or warn and exit with 0 (ignore)")
      .type_name("POLICY")
      .one_of({"fail", "status", "ignore"})
      .show_default();
  std::vector<std::pair<Subcommand, DockerCommand>> commands;
  for (DockerCommand& command : docker_commands()) {
    Subcommand added = docker.add_subcommand(command.name, command.description);
    added.footer(std::string("Example: bottle-image docker ") + command.example);
    command.add_options(added, *options);
    commands.emplace_back(added, std::move(command));
  }
  return [=, &common]() -> std::optional<int> {
    if (load_command.parsed()) return load->run(common);
    for (const auto& [added, command] : commands)
      if (added.parsed()) return command.run(*options, common);
    return std::nullopt;
  };
}

}  // namespace bottle::tools
