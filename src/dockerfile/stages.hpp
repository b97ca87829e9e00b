// SPDX-License-Identifier: Apache-2.0
// Which stages a Dockerfile has, where each starts from, what it copies and mounts from where, and which of
// them a target needs (Dockerfile reference, "FROM", "Multi-stage builds").
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dockerfile/instructions.hpp"
#include "dockerfile/platform.hpp"
#include "dockerfile/scope.hpp"

namespace bottle::dockerfile {

// Where files come from: FROM, COPY --from, RUN --mount from=.
struct Origin {
  enum class Kind {
    build_context,  // no name was given
    scratch,
    stage,          // `stage` is its number
    named_context,  // `name` is the context's
    image,          // `name` is the reference as written, variables replaced
  } kind = Kind::build_context;
  int stage = -1;
  std::string name;
  bool operator==(const Origin&) const = default;
};

struct PlannedInstruction {
  Instruction instruction;      // as written; expand it with the stage's Scope
  std::vector<Origin> origins;  // COPY: one; RUN: one a mount; others: none
  bool trigger = false;         // came from an ONBUILD of the base
};

struct PlannedStage {
  int number = 0;
  std::string name;  // "" without AS
  Instruction from;
  std::string base_name;                    // variables replaced
  Origin base;                              // never build_context
  std::optional<oci::Platform> platform;    // of FROM --platform
  std::vector<std::string> used_arguments;  // global arguments that FROM refers to, sorted
  // A named context with the stage's name stands for the whole stage: `base` is that context and there are no
  // instructions.
  bool replaced = false;
  std::vector<PlannedInstruction> instructions;
};

struct StagePlan {
  Environment globals;
  std::vector<PlannedStage> stages;
  int target = 0;
  std::vector<int> needed;  // the numbers of the stages that the target needs, itself included, ascending

  const PlannedStage& target_stage() const { return stages[static_cast<std::size_t>(target)]; }
};

// `contexts` are the names of the named contexts. Throws SourceError: a blank base, a bad platform, an
// unknown target (with the nearest name as hint), --from with a variable or a number out of range, a cycle, a
// needed stage that takes from a later one.
StagePlan plan_stages(const Dockerfile& file, const BuildValues& values,
                      const std::set<std::string>& contexts = {});

// Puts the triggers of an outside base before the stage's own instructions (those of a base that is a stage
// exist already) and brings `needed` up to date. Throws as plan_stages() does.
void add_triggers(StagePlan& plan, const Dockerfile& file, int stage,
                  const std::vector<std::string>& expressions, const std::set<std::string>& contexts = {});

// The short form of an image reference: docker.io, library/ and :latest left out
// ("docker.io/library/alpine:latest" is "alpine"). nullopt if `reference` is not a reference
// (distribution/reference, "Grammar").
std::optional<std::string> familiar_name(std::string_view reference);

}  // namespace bottle::dockerfile
