// SPDX-License-Identifier: Apache-2.0
// Finding out which outside sources Dockerfiles have and what they stand for now: what bottle-lock does.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "image/model/lock.hpp"
#include "image/model/spec.hpp"
#include "store/store.hpp"

namespace bottle::image {

struct LockRequest {
  std::vector<BuildSpec> specs;  // one for each Dockerfile and platform
  // Only these are looked up, by canonical name; others keep what the lock says. Empty: all.
  std::set<std::string> names;
  bool all_stages = false;        // also those that no target needs
  std::vector<ContextSpec> from;  // image layouts and archives in place of registries, by canonical name
  std::function<void(const std::string&)> warn;
  // There is no request for what the lock does not know: it may be a named context that only CMake knows.
  bool locked_only = false;
};

struct FoundSources {
  std::map<std::string, LockedSource> sources;  // of those asked for
  std::set<std::string> used;                   // all that the Dockerfiles name
  std::map<std::string, std::string> missing;  // with locked_only: those that are not locked, and their kinds
};

// What `text` names is called in a lock: an image reference, a URL, a git source. Throws UsageError.
std::string canonical_source(const std::string& text);

// Asks registries, servers and repositories; what they give goes into the store. Throws naming the first that
// fails.
FoundSources find_sources(const LockRequest& request, const Lock& before, const store::Store& store);

// Whether an entry still says what was found.
bool agrees(const LockedSource& entry, const LockedSource& found);

}  // namespace bottle::image
