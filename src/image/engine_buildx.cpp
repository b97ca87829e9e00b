// The engine "buildx": BuildKit through any of its builders (`--builder` in ENGINE_OPTIONS or
// $BUILDX_BUILDER), local, remote or Kubernetes. Inputs travel as named contexts, the result as an OCI
// layout.
#include "image/engine_drivers.hpp"
#include "image/engine_import.hpp"
#include "image/export.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::image {
namespace {

class BuildxEngine : public Engine {
 public:
  std::string identity() const override {
    return program_identity("docker", "docker-buildx, or Docker's own packages with the buildx plug-in") +
           file_identity(plugin()) +
           environment_identity(
               {"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "BUILDX_BUILDER", "BUILDX_CONFIG"});
  }

  std::string version() const override {
    return output_of({"docker", "buildx", "version"},
                     "install the buildx plug-in of Docker, or use ENGINE builtin");
  }

  LoadedPlan build(const EngineRequest& request) const override {
    const Resolved& resolved = request.resolved;
    const EngineInput input = prepare_input(resolved, request.store, request.work);
    const fs::path archive = request.work / "image.tar";
    std::vector<std::string> arguments{
        "docker",   "buildx",
        "build",    "--progress",
        "plain",    "--provenance=false",
        "--file",   input.dockerfile.native(),
        "--output", "type=oci,rewrite-timestamp=true,dest=" + archive.native()};
    int number = 0;
    for (const EngineImage& item : input.images) {
      const fs::path layout = request.work / ("input-" + std::to_string(number++));
      const Exported exported = export_layout(item.image, request.store, layout, item.reference);
      arguments.push_back("--build-context");
      arguments.push_back(item.reference + "=oci-layout://" + layout.native() + "@" +
                          exported.image_digest.string());
    }
    append(arguments, common_options(resolved));
    append(arguments, secret_options(resolved, true));
    append(arguments, engine_options(resolved.spec()));
    arguments.push_back(input.context.native());
    run_build(request, arguments, {"SOURCE_DATE_EPOCH=" + std::to_string(resolved.epoch())});
    return import_engine_image(archive, resolved, request.store);
  }

 private:
  // Where the client looks for it; the first that is there.
  static fs::path plugin() {
    std::string home = environment_value("DOCKER_CONFIG");
    if (home.empty()) home = environment_value("HOME") + "/.docker";
    for (const char* directory : {"", "/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker",
                                  "/usr/libexec/docker"}) {
      const fs::path path = fs::path(*directory == '\0' ? home : directory) / "cli-plugins" / "docker-buildx";
      if (fs::exists(path)) return path;
    }
    return fs::path(home) / "cli-plugins" / "docker-buildx";
  }
};

}  // namespace

std::unique_ptr<Engine> make_buildx_engine(const BuildSpec&) {
  return std::make_unique<BuildxEngine>();
}

}  // namespace bottle::image
