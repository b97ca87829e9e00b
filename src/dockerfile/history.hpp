// SPDX-License-Identifier: Apache-2.0
// The `created_by` texts that BuildKit's frontend writes into the history of an image (OCI image-spec,
// config.md "history"), and the command line that RUN executes, which is a part of one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dockerfile/instructions.hpp"
#include "dockerfile/scope.hpp"

namespace bottle::dockerfile {

// What RUN executes. A heredoc that starts with "#!" is a file: `script` must be mounted read-only, mode
// 0755, at /dev/pipes/<name>, and `arguments` is that path (after the shell).
struct RunCommand {
  std::vector<std::string> arguments;
  std::optional<InlineFile> script;
};
enum class System { linux_like, windows };

// `shell` is the one in force (SHELL or the base's), empty for the default.
RunCommand run_command(const Run& run, std::span<const std::string> shell,
                       System system = System::linux_like);
// The words of CMD and ENTRYPOINT as the configuration holds them.
std::vector<std::string> command_words(const Command& command, std::span<const std::string> shell,
                                       System system = System::linux_like);

struct HistoryFacts {
  std::span<const std::string> shell = {};
  std::string_view workdir = {};  // WORKDIR: the directory it led to
  const Scope* scope = nullptr;   // RUN: for the build arguments in force
  System system = System::linux_like;
};

// For an expanded instruction; nullopt for those that leave no entry (FROM, ONBUILD).
std::optional<std::string> created_by(const Instruction& expanded, const HistoryFacts& facts);
// Whether that entry has a layer. WORKDIR makes one unless it leads to "/".
bool makes_layer(const Instruction& expanded, std::string_view workdir);

inline constexpr std::string_view kHistoryComment = "buildkit.dockerfile.v0";

}  // namespace bottle::dockerfile
