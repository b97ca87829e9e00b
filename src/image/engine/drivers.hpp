// SPDX-License-Identifier: Apache-2.0
// The drivers behind engine.hpp, one a file, and what they share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "container/cleanup_log.hpp"
#include "container/client.hpp"
#include "image/engine/engine.hpp"
#include "image/engine/input.hpp"
#include "oci/descriptor.hpp"
#include "util/environment.hpp"

namespace bottle::image::engine {

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
std::string environment_identity(const std::vector<environment::Variable>& variables);

// Options for the engine's build command: those of the specification, then the words of
// $BOTTLE_ENGINE_OPTIONS, which configure this machine and are not part of any key. Then `--network none` for
// a bottle whose RUN has no network.
std::vector<std::string> engine_options(const BuildSpec& spec);

void append(std::vector<std::string>& words, const std::vector<std::string>& more);
oci::Platform platform_of(const LoadedPlan& image);
// The images of the input into Docker's or Podman's storage, each noted before.
void load_inputs(const EngineRequest& request, const EngineInput& input, const container::Client& client,
                 container::CleanupLog& log);
// `--secret` for each; without the builder's help an Error.
std::vector<std::string> secret_options(const resolve::Resolved& resolved, bool has_secrets);
// What every `build` command line has in common: build arguments, labels, platform.
std::vector<std::string> common_options(const resolve::Resolved& resolved);

// Throws a SourceError at the first RUN if it would ignore one of the settings of the bottle. `unsupported`
// are names of RunSettings' options ("--shm-size"), `engine` is what ignores them, `hint` what would not.
void refuse_ignored_settings(const resolve::Resolved& resolved, const std::vector<std::string>& unsupported,
                             const std::string& engine, const std::string& hint);
// The two numbers that a version begins with ("v0.12.5" has 0 and 12); nullopt for anything else.
std::optional<std::pair<std::uint64_t, std::uint64_t>> major_and_minor(std::string_view version);

// Runs the engine's `build`. Throws an Error that says which engine failed and repeats its last line.
void run_build(const EngineRequest& request, const std::vector<std::string>& arguments,
               const std::vector<std::string>& environment);
// A build by a client of Docker's, which `log` ends if this process is killed.
void run_client(const EngineRequest& request, container::CleanupLog& log,
                const std::vector<std::string>& arguments, std::vector<std::string> environment = {});

}  // namespace bottle::image::engine
