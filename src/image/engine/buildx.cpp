// SPDX-License-Identifier: Apache-2.0
// The engine "buildx": BuildKit through any of its builders (`--builder` in ENGINE_OPTIONS or
// $BUILDX_BUILDER), local, remote or Kubernetes. Inputs travel as named contexts, the result as an OCI
// layout.
#include "image/engine/drivers.hpp"
#include "image/engine/import.hpp"
#include "image/model/export.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/process.hpp"
#include "util/text.hpp"

namespace bottle::image::engine {
namespace {

// The builder that the options name; "" is the client's default.
std::string builder_of(const std::vector<std::string>& options) {
  constexpr std::string_view kOption = "--builder";
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (options[i] == kOption && i + 1 < options.size()) return options[i + 1];
    if (options[i].starts_with(std::string(kOption) + "=")) return options[i].substr(kOption.size() + 1);
  }
  return {};
}

class BuildxEngine : public Engine {
 public:
  explicit BuildxEngine(const BuildSpec& spec) : builder_(builder_of(engine_options(spec))) {}

  std::string identity() const override {
    return program_identity("docker", "docker-buildx, or Docker's own packages with the buildx plug-in") +
           file_identity(plugin()) +
           environment_identity({environment::kDockerHost, environment::kDockerContext,
                                 environment::kDockerConfig, environment::kBuildxBuilder,
                                 environment::kBuildxConfig}) +
           "builder " + builder_ + "\n";
  }

  // Of the plug-in, the driver and BuildKit itself: "0.13.1 docker-container v0.12.5". The driver "docker" is
  // the daemon's own BuildKit; "docker+oci" one whose images are containerd's, so that it can write layouts.
  std::string version() const override {
    const std::string plugin_version = output_of({"docker", "buildx", "version"}, kInstall);
    std::vector<std::string> inspect{"docker", "buildx", "inspect"};
    if (!builder_.empty()) inspect.push_back(builder_);
    const std::string text = output_of(inspect, "list the builders: docker buildx ls");
    std::string buildkit = field(text, "BuildKit version:");
    if (buildkit.empty()) buildkit = field(text, "Buildkit:");
    std::string driver = field(text, "Driver:");
    if (driver == "docker") {
      if (text.find("worker.containerd.namespace:") != std::string::npos) driver += "+oci";
      // The daemon's number: its BuildKit often has none.
      buildkit += " " + output_of({"docker", "version", "--format", "{{.Server.Version}}"},
                                  "list the builders: docker buildx ls");
    }
    return field(plugin_version, "buildx ") + " " + driver + " " + buildkit;
  }

  LoadedPlan build(const EngineRequest& request) const override {
    check_run_settings(request.resolved);
    const EngineInput input =
        prepare_input(request.resolved, request.store, request.work, ContextTimes::by_content);
    // A daemon with its own image format writes no OCI layouts, and an old one reads none.
    return request.resolved.spec.engine_version.find(" docker ") != std::string::npos
               ? build_in_daemon(request, input)
               : build_layout(request, input);
  }

 private:
  static constexpr const char* kInstall = "install the buildx plug-in of Docker, or use ENGINE builtin";

  // BuildKit has --shm-size and --ulimit since 0.10, a daemon's since Docker 23, the plug-in since 0.7
  // (docker/buildx 790 and 800). Earlier ones ignore them.
  static void check_run_settings(const resolve::Resolved& resolved) {
    const std::string& version = resolved.spec.engine_version;
    const std::vector<std::string_view> words = split(version, ' ');
    if (words.size() < 3) return;
    const bool is_daemon = words[1].starts_with("docker") && !words[1].starts_with("docker-");
    const auto plugin = major_and_minor(words.front());
    const auto builder = major_and_minor(is_daemon ? words.back() : words[2]);
    using Version = std::pair<std::uint64_t, std::uint64_t>;
    if ((plugin && *plugin < Version(0, 7)) ||
        (builder && *builder < (is_daemon ? Version(23, 0) : Version(0, 10))))
      refuse_ignored_settings(resolved, {"--shm-size", "--ulimit"}, "buildx " + version,
                              "use buildx 0.7 with BuildKit 0.10 or Docker 23, or newer, or ENGINE builtin");
  }

  // The first word behind the label.
  static std::string field(const std::string& text, std::string_view label) {
    const std::size_t at = text.find(label);
    if (at == std::string::npos) return {};
    const std::size_t begin = text.find_first_not_of(' ', at + label.size());
    if (begin == std::string::npos) return {};
    return text.substr(begin, text.find_first_of(" \n", begin) - begin);
  }

  std::vector<std::string> command(const EngineRequest& request, const EngineInput& input) const {
    std::vector<std::string> arguments{"docker", "buildx",
                                       "build",  "--progress",
                                       "plain",  "--provenance=false",
                                       "--file", input.dockerfile.native()};
    append(arguments, common_options(request.resolved));
    append(arguments, secret_options(request.resolved, true));
    append(arguments, engine_options(request.resolved.spec));
    return arguments;
  }

  LoadedPlan build_in_daemon(const EngineRequest& request, const EngineInput& input) const {
    container::CleanupLog log(request.resolved.spec.directory, request.on_line, request.store.directory());
    load_inputs(request, input, container::Client("docker"), log);
    const fs::path id_file = request.work / "image.id";
    const fs::path archive = request.work / "image.tar";
    std::vector<std::string> arguments = command(request, input);
    append(arguments, {"--load", "--iidfile", id_file.native(), input.context.native()});
    run_client(request, log, arguments);
    output_into({"docker", "save", read_file(id_file)}, archive);
    return import_engine_image(archive, request.resolved, request.store);
  }

  LoadedPlan build_layout(const EngineRequest& request, const EngineInput& input) const {
    const fs::path archive = request.work / "image.tar";
    std::vector<std::string> arguments = command(request, input);
    append(arguments, {"--output", "type=oci,rewrite-timestamp=true,dest=" + archive.native()});
    int number = 0;
    for (const EngineImage& item : input.images) {
      const fs::path layout = request.work / ("input-" + std::to_string(number++));
      const ExportReport exported = export_layout(item.image, request.store, layout, item.reference);
      append(arguments, {"--build-context", item.reference + "=oci-layout://" + layout.native() + "@" +
                                                exported.image_digest.string()});
    }
    arguments.push_back(input.context.native());
    container::CleanupLog log(request.resolved.spec.directory, request.on_line);
    run_client(request, log, arguments);
    return import_engine_image(archive, request.resolved, request.store);
  }

  // Where the client looks for it; the first that is there.
  static fs::path plugin() {
    std::string home = environment::value(environment::kDockerConfig);
    if (home.empty()) home = environment::value(environment::kHome) + "/.docker";
    for (const char* directory : {"", "/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker",
                                  "/usr/libexec/docker"}) {
      fs::path path = fs::path(*directory == '\0' ? home : directory) / "cli-plugins" / "docker-buildx";
      if (fs::exists(path)) return path;
    }
    return fs::path(home) / "cli-plugins" / "docker-buildx";
  }

  std::string builder_;
};

}  // namespace

std::unique_ptr<Engine> make_buildx_engine(const BuildSpec& spec) {
  return std::make_unique<BuildxEngine>(spec);
}

}  // namespace bottle::image::engine
