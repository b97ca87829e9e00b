// SPDX-License-Identifier: Apache-2.0
// The engine "docker": `docker build`, by the classic builder or the daemon's BuildKit.
#include <algorithm>

#include "container/load.hpp"
#include "image/engine/drivers.hpp"
#include "image/engine/import.hpp"
#include "image/model/export.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::image::engine {
namespace {

constexpr const char* kProgram = "docker";
constexpr const char* kUnreachable =
    "start the daemon, or set DOCKER_HOST, or use ENGINE builtin, which needs no daemon";
// Clients from here on have BuildKit in a plug-in, before it is built in.
constexpr std::uint64_t kFirstWithPlugin = 23;

// BuildKit of earlier daemons ignores --shm-size and --ulimit (moby/buildkit 1665).
constexpr std::uint64_t kFirstWithRunSettings = 23;

std::uint64_t major_version(const std::string& version) {
  return parse_unsigned(version.substr(0, version.find('.'))).value_or(0);
}

class DockerEngine : public Engine {
 public:
  std::string identity() const override {
    std::string text = program_identity(kProgram, "docker.io") +
                       environment_identity({environment::kDockerHost, environment::kDockerContext,
                                             environment::kDockerConfig, environment::kDockerBuildkit,
                                             environment::kDockerDefaultPlatform});
    // A daemon of this machine: another program, or a recreated socket, may be another version.
    if (const auto daemon = find_program("dockerd")) text += file_identity(*daemon);
    const std::string host = environment::value(environment::kDockerHost);
    if (host.empty()) text += file_identity("/var/run/docker.sock");
    if (host.starts_with("unix://")) text += file_identity(host.substr(7));
    return text;
  }

  std::string version() const override {
    const std::string text = output_of({kProgram, "version", "--format", "{{json .}}"}, kUnreachable);
    const Json document = parse_json(text, "docker version");
    const JsonView view(document, "docker version#");
    const auto server = view.find("Server");
    if (!server)
      throw Error("cannot connect to the Docker daemon", {.where = "docker version", .hint = kUnreachable});
    const std::string number = server->at("Version").string();
    return number +
           (has_buildkit(view.at("Client").at("Version").string(), number) ? " buildkit" : " classic");
  }

  LoadedPlan build(const EngineRequest& request) const override {
    const std::string& version = request.resolved.spec.engine_version;
    const bool buildkit = version.ends_with(" buildkit");
    if (buildkit && major_version(version) < kFirstWithRunSettings)
      refuse_ignored_settings(request.resolved, {"--shm-size", "--ulimit"},
                              "the BuildKit of Docker " + version.substr(0, version.find(' ')),
                              "set DOCKER_BUILDKIT=0, or use Docker 23 or newer, or ENGINE builtin");
    const EngineInput input = prepare_input(request.resolved, request.store, request.work,
                                            buildkit ? ContextTimes::by_content : ContextTimes::whole);
    container::CleanupLog log(request.resolved.spec.directory, request.on_line, request.store.directory());
    load_inputs(request, input, container::Client(kProgram), log);

    const fs::path id_file = request.work / "image.id";
    std::vector<std::string> arguments{kProgram,    "build",         "--file", input.dockerfile.native(),
                                       "--iidfile", id_file.native()};
    if (buildkit)
      arguments.insert(arguments.end(), {"--progress", "plain"});
    else
      arguments.push_back("--force-rm");
    append(arguments, common_options(request.resolved));
    append(arguments, secret_options(request.resolved, buildkit));
    append(arguments, engine_options(request.resolved.spec));
    arguments.push_back(input.context.native());
    run_client(request, log, arguments, {std::string("DOCKER_BUILDKIT=") + (buildkit ? "1" : "0")});
    const std::string id = read_file(id_file);
    const fs::path archive = request.work / "image.tar";
    output_into({kProgram, "save", id}, archive);
    return import_engine_image(archive, request.resolved, request.store);
  }

 private:
  // The client's settings win; else its capabilities.
  static bool has_buildkit(const std::string& client, const std::string& server) {
    const std::string wanted = environment::value(environment::kDockerBuildkit);
    if (!wanted.empty()) return wanted != "0" && wanted != "false";
    if (major_version(server) < 19) return false;
    if (major_version(client) < kFirstWithPlugin) return true;
    return capture({kProgram, "buildx", "version"}).status.success();
  }
};

}  // namespace

void append(std::vector<std::string>& words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
}

std::vector<std::string> secret_options(const resolve::Resolved& resolved, bool has_secrets) {
  std::vector<std::string> options;
  for (const SecretSpec& secret : resolved.spec.secrets) {
    if (!has_secrets)
      throw Error(
          "the classic builder does not support secrets",
          {.where = "bottle " + resolved.spec.slug, .hint = "set DOCKER_BUILDKIT=1, or use ENGINE builtin"});
    options.push_back("--secret");
    options.push_back("id=" + secret.id + (secret.is_variable ? ",env=" : ",src=") + secret.value);
  }
  return options;
}

oci::Platform platform_of(const LoadedPlan& image) {
  const Json config = parse_json(image.plan.config, "image plan: configuration");
  const JsonView view(config, "image plan: configuration#");
  return {.os = view.string_or("os", "linux"),
          .architecture = view.string_or("architecture", ""),
          .variant = view.string_or("variant", "")};
}

void load_inputs(const EngineRequest& request, const EngineInput& input, const container::Client& client,
                 container::CleanupLog& log) {
  const fs::path layout = request.work / "input";
  for (const EngineImage& item : input.images) {
    export_layout(item.image, request.store, layout, item.reference);
    log.note_image(client.program(), item.reference);
    const auto held = log.lock(client.program());
    container::load_layout(layout, platform_of(item.image), item.reference, client, request.store);
  }
}

void run_client(const EngineRequest& request, container::CleanupLog& log,
                const std::vector<std::string>& arguments, std::vector<std::string> environment) {
  environment.push_back("SOURCE_DATE_EPOCH=" + std::to_string(request.resolved.epoch));
  environment.push_back(container::CleanupLog::client_mark(request.resolved.spec.directory));
  log.note_client(arguments[0]);
  run_build(request, arguments, environment);
  log.forget_builder();
}

std::unique_ptr<Engine> make_docker_engine(const BuildSpec&) {
  return std::make_unique<DockerEngine>();
}

}  // namespace bottle::image::engine
