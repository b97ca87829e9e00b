// SPDX-License-Identifier: Apache-2.0
// The builtin engine: executes the instructions of a resolved Dockerfile that make layers, each looked up in
// the store first by a key chained on what lies below it.
#pragma once

#include <functional>
#include <string>

#include "image/model/plan.hpp"
#include "image/resolve/resolve.hpp"
#include "run/isolation_probe.hpp"
#include "store/store.hpp"

namespace bottle::image::builtin {

enum class StepOutcome { executed, stored };

// What happened to one instruction, as it happens.
struct StepReport {
  const resolve::ResolvedStage& stage;
  const resolve::FileStep& step;
  StepOutcome outcome;
  Digest key;
};
using OnStep = std::function<void(const StepReport&)>;

// Builds the target stage and what it needs. An instruction starts as soon as what is below it and what it
// takes files from is there, so stages that do not need each other are built side by side: up to `runs` RUN
// instructions run at once (see default_threads()), the others are executed between. Neither the
// result nor what is executed depends on their order; on_step and warn are called as things happen. The first
// error stops the others. What `resolved` knows of the files of a context is released with the last
// instruction that takes some. The result is not saved anywhere (see save_plan()); the layers are in the
// store.
//
// `isolation` says the grade of the RUNs, and is asked when the first one is executed. What a grade makes
// that is not the reference is stored under a separate key; what the reference made serves every grade.
LoadedPlan build(resolve::Resolved& resolved, const store::Store& store, run::IsolationChoice& isolation,
                 const OnStep& on_step, const std::function<void(const std::string&)>& warn,
                 std::size_t runs = 1);

// The key of what the grade makes under the key `key`: the same for the reference.
Digest key_in_grade(const Digest& key, const run::Isolation& isolation);

}  // namespace bottle::image::builtin
