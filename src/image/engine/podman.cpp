// SPDX-License-Identifier: Apache-2.0
// The engines "podman" and "buildah": the same builder behind two command lines.
#include "container/load.hpp"
#include "image/engine/drivers.hpp"
#include "image/engine/import.hpp"
#include "image/model/export.hpp"
#include "util/ascii.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/process.hpp"

namespace bottle::image::engine {
namespace {

class PodmanEngine : public Engine {
 public:
  explicit PodmanEngine(std::string program) : program_(std::move(program)) {}

  std::string identity() const override {
    return program_identity(program_, program_) +
           environment_identity({environment::kContainerHost, environment::kContainersStorageConf,
                                 environment::kBuildahFormat, environment::kBuildahIsolation,
                                 environment::kStorageDriver});
  }

  std::string version() const override {
    const std::string hint = "set up " + program_ + " for this user, or use ENGINE builtin";
    const std::string text =
        output_of(program_ == "podman" ? std::vector<std::string>{program_, "version", "--format", "json"}
                                       : std::vector<std::string>{program_, "version", "--json"},
                  hint);
    const Json document = parse_json(text, program_ + " version");
    if (document.is_object() && document.contains("Client"))
      return JsonView(document, program_ + " version#").at("Client").at("Version").string();
    return JsonView(document, program_ + " version#").at("version").string();
  }

  LoadedPlan build(const EngineRequest& request) const override {
    const resolve::Resolved& resolved = request.resolved;
    const fs::path& directory = resolved.spec.directory;
    // The isolation "chroot" shares /dev/shm of this machine; limits and hosts it sets.
    if (isolation(resolved.spec) == "chroot")
      refuse_ignored_settings(resolved, {"--shm-size"}, "ENGINE " + program_ + " and the isolation chroot",
                              "use --isolation=oci, or ENGINE builtin, docker or buildx");
    const EngineInput input = prepare_input(resolved, request.store, request.work, ContextTimes::whole);
    // Theirs would stay after a kill.
    const fs::path temporary = request.work / "tmp";
    make_directories(temporary);
    const std::vector<std::string> environment{"TMPDIR=" + temporary.native()};
    container::CleanupLog log(directory, request.on_line, request.store.directory());
    if (program_ == "podman")
      load_inputs(request, input, container::Client(program_, {}, environment), log);
    else
      pull_inputs(request, input, environment, log);

    const fs::path id_file = request.work / "image.id";
    std::vector<std::string> arguments{program_, "build", "--layers", "--force-rm", "--format", "oci",
                                       "--timestamp", std::to_string(resolved.epoch),
                                       // The images are there: a registry must not be asked for newer ones.
                                       "--pull=false", "--file", input.dockerfile.native(), "--ignorefile",
                                       input.dockerfile.native() + ".dockerignore", "--iidfile",
                                       id_file.native(), "--build-arg",
                                       std::string(container::CleanupLog::kBuilderArgument) + "=" +
                                           container::CleanupLog::builder_id(directory)};
    // As with the builtin engine. Of a network that they create the bridge, rules of the firewall and the
    // lease of an address would stay after a kill, and could not be attributed to a build. The options win.
    arguments.push_back("--network=host");
    append(arguments, common_options(resolved));
    append(arguments, secret_options(resolved, true));
    append(arguments, engine_options(resolved.spec));
    arguments.push_back(input.context.native());
    log.note_builder(program_, temporary);
    run_build({.resolved = resolved,
               .store = request.store,
               .work = request.work,
               .on_line = [&](const std::string& line) { show(line, request.on_line); }},
              arguments, environment);
    log.forget_builder();
    std::string id = read_file(id_file);
    if (id.starts_with("sha256:")) id.erase(0, 7);
    const fs::path archive = request.work / "image.tar";
    const std::string hint = "check that the disk has free space for the image";
    if (program_ == "podman")
      output_of({program_, "save", "--quiet", "--format", "oci-archive", "--output", archive.native(), id},
                hint, environment);
    else
      output_of({program_, "push", "--quiet", "--disable-compression", id, "oci-archive:" + archive.native()},
                hint, environment);
    return import_engine_image(archive, resolved, request.store);
  }

 private:
  // As the options and the environment say, in lower case; "" is the program's default, which has namespaces.
  static std::string isolation(const BuildSpec& spec) {
    constexpr std::string_view kOption = "--isolation";
    std::string found = environment::value(environment::kBuildahIsolation);
    const std::vector<std::string> options = engine_options(spec);
    for (std::size_t i = 0; i < options.size(); ++i) {
      if (options[i] == kOption && i + 1 < options.size()) found = options[i + 1];
      if (options[i].starts_with(std::string(kOption) + "=")) found = options[i].substr(kOption.size() + 1);
    }
    return ascii_lower(found);
  }

  // Without the argument that the user has not given.
  static void show(std::string line, const std::function<void(const std::string&)>& on_line) {
    constexpr std::string_view kUnused = "build args were not consumed: [";
    const std::size_t begin = line.find(kUnused);
    if (begin != std::string::npos) {
      const std::string name = container::CleanupLog::kBuilderArgument;
      const std::size_t at = line.find(name, begin);
      if (at != std::string::npos) {
        const bool is_first = line[at - 1] == '[';
        const bool is_last = line[at + name.size()] == ']';
        if (is_first && is_last) return;
        line.erase(is_last ? at - 1 : at, name.size() + 1);
      }
    }
    on_line(line);
  }

  void pull_inputs(const EngineRequest& request, const EngineInput& input,
                   const std::vector<std::string>& environment, container::CleanupLog& log) const {
    const fs::path layout = request.work / "input";
    const fs::path archive = request.work / "input.tar";
    for (const EngineImage& item : input.images) {
      export_layout(item.image, request.store, layout, item.reference);
      AtomicFile file(archive, 0600, Durable::no);
      container::write_docker_archive(
          oci::open_layout(layout, {.reference = {}, .platform = platform_of(item.image)}), item.reference, 0,
          request.store, [&](std::span<const std::byte> data) { file.write(data); });
      file.commit();
      log.note_image(program_, item.reference);
      const auto held = log.lock(program_);
      output_of({program_, "pull", "--quiet", "docker-archive:" + archive.native()},
                "check that the disk has free space for the image", environment);
    }
  }

  std::string program_;
};

}  // namespace

std::unique_ptr<Engine> make_podman_engine(const BuildSpec&) {
  return std::make_unique<PodmanEngine>("podman");
}

std::unique_ptr<Engine> make_buildah_engine(const BuildSpec&) {
  return std::make_unique<PodmanEngine>("buildah");
}

}  // namespace bottle::image::engine
