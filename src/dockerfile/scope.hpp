// SPDX-License-Identifier: Apache-2.0
// What variables mean at a place in a Dockerfile: the global scope before the first FROM, the scope of a
// stage as ARG and ENV change it, and the expansion of instructions in it (Dockerfile reference, "Understand
// how ARG and FROM interact", "Scope", "Environment replacement").
#pragma once

#include <map>
#include <string>
#include <vector>

#include "dockerfile/instructions.hpp"
#include "dockerfile/platform.hpp"
#include "dockerfile/words.hpp"

namespace bottle::dockerfile {

// The target, platform and arguments of a build.
struct BuildValues {
  std::map<std::string, std::string> build_args;
  oci::Platform build_platform = oci::host_platform();
  oci::Platform target_platform = oci::host_platform();
  std::string target;  // the name of the target stage, "" for the last one
};

// The predefined platform arguments (BUILDPLATFORM, TARGETARCH, TARGETSTAGE, ...), each replaced by a build
// argument of that name.
Environment predefined_arguments(const Dockerfile& file, const BuildValues& values);
// The same with the ARG instructions before the first FROM. Throws SourceError.
Environment global_arguments(const Dockerfile& file, const BuildValues& values);

// The proxy settings among the build arguments (HTTP_PROXY, https_proxy, ..., in any case): RUN sees them
// though no ARG declares them, and they belong neither in an image nor in a key.
std::map<std::string, std::string> proxy_arguments(const std::map<std::string, std::string>& build_args);

struct ExpandedInstruction {
  Instruction instruction;
  std::vector<std::string> used;   // variables that were set, sorted
  std::vector<std::string> unset;  // variables that were not and that no ARG of the stage declares, sorted
};

// The variables of one stage while its instructions are read from top to bottom. A stage that starts from
// another stage starts with a copy of that one's scope and start_stage().
class Scope {
 public:
  Scope() = default;
  // `globals` and `values` must live as long as the scope and its copies.
  Scope(const SourceText& source, char escape, const Environment& globals, const BuildValues& values);

  // The environment of the base image's configuration, on top of what is there.
  void add_environment(const Environment& environment);
  // On top of another stage what is in its image counts: an ENV that an ARG behind it had replaced is back.
  void start_stage();

  // The instruction with its variables replaced, where the language replaces them. EXPOSE gets its final list
  // of "port/protocol", RUN its mounts, ARG the values in force. Throws SourceError. The scope is not
  // changed.
  // `unset_mentions` gets the variables of ExpandedInstruction::unset as often as words mention them, in the
  // order of the words, also those before an error. BuildKit does not look at EXPOSE for them, and neither
  // does this.
  ExpandedInstruction expand(const Instruction& instruction,
                             std::vector<std::string>* unset_mentions = nullptr) const;
  // What an expanded ENV or ARG changes; other instructions change nothing.
  void apply(const Instruction& expanded);

  // ENV and ARG together, as RUN sees them.
  const Environment& environment() const { return environment_; }
  // The ARGs declared so far, in order, repetitions included, with the values they got.
  const std::vector<ArgDefinition>& declared() const { return declared_; }

 private:
  class Work;
  const SourceText* source_ = nullptr;
  char escape_ = '\\';
  const Environment* globals_ = nullptr;
  const BuildValues* values_ = nullptr;
  Environment environment_;
  Environment of_image_;  // of the base and ENV alone
  std::vector<ArgDefinition> declared_;
};

// The working directory that WORKDIR `path` leads to from `current` (OCI image-spec, config.md "WorkingDir").
// An absolute path stays as it is written, a relative one is joined and cleaned.
std::string resolved_workdir(std::string_view current, std::string_view path);
// The destination of COPY and ADD from the working directory `current`: absolute, keeps a trailing "/" or
// "/.".
std::string resolved_destination(std::string_view current, std::string_view path);

}  // namespace bottle::dockerfile
