// The drivers behind engine.hpp, one a file, and what they share.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/engine/engine.hpp"
#include "image/engine/input.hpp"
#include "oci/descriptor.hpp"
#include "oci/stream.hpp"
#include "util/process.hpp"

namespace bottle::image {

class DockerClient;
class CleanupLog;

std::unique_ptr<Engine> make_docker_engine(const BuildSpec& spec);
std::unique_ptr<Engine> make_podman_engine(const BuildSpec& spec);
std::unique_ptr<Engine> make_buildah_engine(const BuildSpec& spec);
std::unique_ptr<Engine> make_buildx_engine(const BuildSpec& spec);

// A line of Engine::identity(): the program's path, inode, size and time. Throws when it is not installed;
// `package` is what to install.
std::string program_identity(const std::string& program, const std::string& package);
// The same for a file that need not be there.
std::string file_identity(const fs::path& file);
// The variables' values as lines.
std::string environment_identity(const std::vector<std::string>& names);
// $<name>, or "" when it is not set.
std::string environment_value(const char* name);

// Options for the engine's build command: those of the specification, then the words of
// $BOTTLE_ENGINE_OPTIONS, which say how this machine builds and are no part of any key. Then `--network none`
// for a bottle whose RUN has no network.
std::vector<std::string> engine_options(const BuildSpec& spec);

void append(std::vector<std::string>& words, const std::vector<std::string>& more);
oci::Platform platform_of(const LoadedPlan& image);
// The images of the input into Docker's or Podman's storage, each noted before.
void load_inputs(const EngineRequest& request, const EngineInput& input, const DockerClient& client,
                 CleanupLog& log);
// `--secret` for each; without the builder's help an Error.
std::vector<std::string> secret_options(const Resolved& resolved, bool has_secrets);
// What every `build` command line has in common: build arguments, labels, platform.
std::vector<std::string> common_options(const Resolved& resolved);

// The last line with anything on it.
std::string last_line(std::string_view text);

struct Captured {
  ExitStatus status;
  std::string output;   // standard output, without the last line end
  std::string message;  // the last line of standard error
};
// Runs a program whose output is short. `environment` is added to this process's, here and below. Throws only
// if it cannot be started.
Captured capture(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});
// Standard output of a command that has to succeed; its standard error is the Error's message.
std::string output_of(const std::vector<std::string>& arguments, const std::string& hint,
                      const std::vector<std::string>& environment = {});
// Standard output into a file, for large ones.
void output_into(const std::vector<std::string>& arguments, const fs::path& file);
// Runs a program that writes what people read, line by line. Interrupted, it is asked to stop, and ended when
// it does not.
ProcessResult run_shown(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment,
                        const std::function<void(const std::string&)>& on_line);
// Fills a program's standard input. A program that stops reading is judged by its exit status.
ProcessResult run_fed(const std::vector<std::string>& arguments,
                      const std::function<void(const oci::Sink&)>& produce,
                      const std::vector<std::string>& environment = {});
// A short program, waited for whatever signals come: for cleaning up. nullopt if it could not be started, or
// had not ended when the time was over; then it is ended.
std::optional<ProcessResult> run_uninterrupted(const std::vector<std::string>& arguments,
                                               std::chrono::milliseconds limit) noexcept;
// This process's environment with these lines put in.
std::vector<std::string> environment_with(const std::vector<std::string>& lines);

// Runs the engine's `build`. Throws an Error that says which engine failed and repeats its last line.
void run_build(const EngineRequest& request, const std::vector<std::string>& arguments,
               const std::vector<std::string>& environment);
// A build by a client of Docker's, which `left` ends if this process is killed.
void run_client(const EngineRequest& request, CleanupLog& log, const std::vector<std::string>& arguments,
                std::vector<std::string> environment = {});

}  // namespace bottle::image
