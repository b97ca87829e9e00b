// SPDX-License-Identifier: Apache-2.0
// The steps of a bottle that belong to this room, as a build tree runs them: results into the bottle's build
// directory, written so that what did not change is not touched, with a record of what ran and why.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "image/context/depfile_parts.hpp"
#include "image/model/export.hpp"
#include "image/model/plan.hpp"
#include "image/model/spec.hpp"
#include "image/model/users.hpp"
#include "image/repair.hpp"
#include "image/resolve/resolved.hpp"
#include "store/store.hpp"
#include "util/digest.hpp"

namespace bottle::image {

struct FingerprintResult {
  Digest key;
  std::string key_text;
  std::vector<context::Dependency> dependencies;
  bool changed = false;        // the file `key` was written
  std::size_t files_read = 0;  // not known to the stat cache
  std::uint64_t milliseconds = 0;
  std::shared_ptr<const resolve::Resolved> resolved;  // what all this was found from
};

// Writes `key` and the depfiles (write_depfiles()) and touches `key.stamp` in spec.directory. What it writes
// is as old as its beginning, so that a file changed while it ran is newer. The rules of the
// Dockerfile are looked at only for "check=error=true", since no key holds what they find: warnings go to
// `warn` and fail the step then. image_step() shows them otherwise.
FingerprintResult fingerprint_step(const BuildSpec& spec, const context::DepfileOptions& depfiles,
                                   const Warn& warn);

struct ImageResult {
  Digest key;
  Digest plan_digest;
  std::string outcome;       // "built", "stored", "unchanged"
  std::size_t executed = 0;  // instructions
  std::size_t stored = 0;
  std::size_t layers = 0;
  std::uint64_t milliseconds = 0;
  std::optional<resolve::Resolved> resolved;
  std::optional<LoadedPlan> image;
};

// Builds the image, or finds it in the store, and saves its plan in spec.directory. An outside engine is
// started only when the store has no image for the key. What the rules of the Dockerfile find goes to `warn`
// when the image is really built. If `is_fingerprinted`, a fingerprint_step() has just gone before: the
// contexts are taken as its key says, and not looked at again. (A file that changed since makes a later step
// fail that reads it, and the next build fingerprint again.)
ImageResult image_step(const BuildSpec& spec, const Warn& warn, bool is_fingerprinted = false);

// Writes the OCI layout of the plan in spec.directory, and touches `oci.stamp` there.
ExportReport export_step(
    const BuildSpec& spec, const fs::path& layout, const std::string& ref_name,
    const Warn& warn = [](const std::string&) {});

// Runs `work` with repair_and_repeat(): image_step() makes damaged images again.
void with_repair(const BuildSpec& spec, OwnImage own, const Warn& warn, const std::function<void()>& work);

}  // namespace bottle::image
