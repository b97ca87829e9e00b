// SPDX-License-Identifier: Apache-2.0
// What to build: the JSON specification that CMake writes for a bottle, or the same from a tool's arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "image/model/run_settings.hpp"
#include "util/file.hpp"

namespace bottle::image {
inline namespace model {

// remote: a git repository or a URL, locked as a source of ADD is.
enum class ContextKind { path, bottle, target, oci_layout, docker_archive, image, remote };

// A named context: FROM <name>, COPY --from=<name>.
struct ContextSpec {
  std::string name;
  ContextKind kind = ContextKind::path;
  fs::path value;  // directory, layout, archive; for bottle the other bottle's build directory; not of image
  // Of image: which one, "debian:12". Of a layout or archive with several: a tag, a digest, or "tag@digest";
  // "" if there is one. Of remote: the URL.
  std::string reference;
  std::vector<fs::path> files;  // for target: the files, each found in the context under its base name
};

// A secret that RUN --mount=type=secret may ask for: where its value comes from, never the value itself.
struct SecretSpec {
  std::string id;
  bool is_variable = false;  // `value` is the name of an environment variable, else a file's path
  std::string value;
};

// An ssh agent that RUN --mount=type=ssh may ask for.
struct SshSpec {
  std::string id;
  std::string socket;
};

struct PackSpec {
  std::uint64_t cpus = 4;
  std::uint64_t memory_mib = 8192;
  bool network = false;
  std::vector<std::string> env;  // KEY=VALUE, added to the image's
  std::optional<std::vector<std::string>> entrypoint;
  std::optional<std::vector<std::string>> cmd;
  std::string runtime;  // agent root filesystem: a directory, "none", or "" to look for an installed one
};

// "builtin", then the outside engines.
const std::vector<std::string>& engine_names();
// A UsageError that names the nearest engine unless `name` is one of them.
void check_engine_name(const std::string& name, const std::string& where);

struct BuildSpec {
  std::string slug;
  fs::path dockerfile;
  fs::path context;
  std::vector<fs::path> excludes;  // directories that are never part of a context: build trees
  std::string target;              // stage; "" is the last
  std::string platform;            // os/architecture[/variant]; "" is linux and this machine's architecture
  std::vector<std::pair<std::string, std::string>> build_args;
  std::vector<std::pair<std::string, std::string>> labels;  // on top of the Dockerfile's
  std::vector<ContextSpec> contexts;
  std::vector<SecretSpec> secrets;
  std::vector<SshSpec> agents;  // beside "default", which is $SSH_AUTH_SOCK unless it is here
  bool run_has_network = true;  // false: RUN has none
  RunSettings run_settings;
  std::string isolation;             // of RUN: a word of run/isolation.hpp; "" is auto
  std::vector<std::string> allowed;  // entitlements: "security.insecure"
  std::string engine = "builtin";
  std::vector<std::string> engine_options;  // words for an outside engine's build command
  // Never from a file, with_engine() fills them in: what the key says of an outside engine, and the programs
  // whose change may change that.
  std::string engine_version;
  std::vector<fs::path> engine_programs;
  std::string packer = "native";
  std::string registry_image;  // of packer "smolvm": what serves the image; "" is Bottle's own server
  std::string tag;             // "" is <slug>:latest
  bool git_modes =
      false;  // permission bits of context files as git keeps them: 0755 if the owner may execute, else 0644
  bool debug_shell = false;  // never from a file: a shell where a RUN failed
  PackSpec pack;
  fs::path store;  // "" is the user's
  fs::path lock;   // "" is bottle.lock in the context
  // Whether a source that the lock does not have is an error, or resolved and added to it; nullopt: as the
  // environment says (image/remote/first_lock.hpp)
  std::optional<bool> locked;
  fs::path file;       // the specification file, if it was read from one
  fs::path directory;  // the bottle's build directory
  // SOURCE_DATE_EPOCH as the project was configured; nullopt: the environment's
  std::optional<std::int64_t> epoch;
  fs::path build_tree;  // CMake's, for hints that name a command; "" without CMake
};

inline bool is_builtin(const BuildSpec& spec) {
  return spec.engine == "builtin";
}

// The lock that holds for it.
fs::path lock_file(const BuildSpec& spec);

// `[a-z0-9][a-z0-9_.-]*`, at most 63 characters.
bool is_slug(std::string_view text);

// Throws UsageError unless the text can name an image in a layout: a reference without a digest, or a tag
// alone. `place` is for the error.
void check_image_name(const std::string& text, const std::string& place);

// Reads and checks a specification file; unknown members are errors that name the nearest known one.
// `directory` is the file's.
BuildSpec load_spec(const fs::path& file);

ContextKind parse_context_kind(const std::string& text, const std::string& place);
// What stands behind the '=' of a named context, in all that is the same for CMake and the tools:
// "kind:value", BuildKit's "docker-image://<reference>" and "oci-layout://<directory>[:<tag>][@<digest>]",
// the address of a git repository, "https://...", or a directory. Paths are made absolute, but for those of a
// target, which stay in `value`. `place` is for errors.
ContextSpec parse_context_value(const std::string& text, const std::string& place);
// Takes the ":<tag>" or "@<digest>" off the path of a layout or archive: whatever follows the longest part
// that exists, else what follows the last ':' behind the last '/'.
void split_image_place(ContextSpec& context);

// SOURCE_DATE_EPOCH of the environment, or 0 when it is unset. Anything but a number of seconds is an Error.
std::int64_t source_date_epoch();
// The specification's if it has one: then an environment with another is a UsageError, because the steps of
// one build would disagree.
std::int64_t source_date_epoch(const BuildSpec& spec);

}  // namespace model
}  // namespace bottle::image
