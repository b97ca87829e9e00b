// SPDX-License-Identifier: Apache-2.0
// From a specification to what has to be done: the Dockerfile read, its needed stages expanded, its inputs
// found and digested. Nothing is built here, so this is what runs often.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "image/model/recorded_inputs.hpp"
#include "image/model/spec.hpp"
#include "image/remote/first_lock.hpp"
#include "image/remote/source_lock.hpp"
#include "image/resolve/resolved.hpp"
#include "store/store.hpp"

namespace bottle::image::resolve {

// What is done with outside sources of which nothing here says what they are. Left open, a base is taken to
// be empty and the others to hold no files: enough to describe a Dockerfile, never to build it. Added, they
// are resolved and written to the lock, unless that is frozen (image/remote/first_lock.hpp).
enum class Unlocked { refused, left_open, added };

// To find out which outside sources there are, and nothing else: no file of a context is looked at, and a
// bottle that has not been built is taken for an empty image.
struct Survey {
  remote::SourceLock& lock;  // asked in place of the lock file
  bool all_stages = false;   // also those that the target does not need
  std::function<void(const std::string&)> warn = {};
};

struct ResolveOptions {
  Unlocked unlocked = Unlocked::refused;
  remote::FirstLock::Say say = {};  // with Unlocked::added: is given a line for each source
  // Takes the contents of contexts from a record. Whether the record was made of the same Dockerfile and
  // options is the caller's to find out: then it has the same key text. Not for dependencies().
  std::optional<RecordedInputs> recorded = std::nullopt;
  std::optional<Survey> survey = std::nullopt;
};

// Reads everything. Throws SourceError for what the Dockerfile has wrong.
Resolved resolve_image(const BuildSpec& spec, const store::Store& store, ResolveOptions options = {});

}  // namespace bottle::image::resolve
