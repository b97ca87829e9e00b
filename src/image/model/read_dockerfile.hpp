// SPDX-License-Identifier: Apache-2.0
// The Dockerfile of a specification and the values it is read with; nothing else is looked at.
#pragma once

#include <set>
#include <string>

#include "dockerfile/instructions.hpp"
#include "dockerfile/scope.hpp"
#include "image/model/spec.hpp"

namespace bottle::image {
inline namespace model {

// Throws SourceError, and Error for a file that is absent, too large or no text.
dockerfile::Dockerfile read_dockerfile(const BuildSpec& spec);
// The same for checks: a wrong instruction is not thrown.
dockerfile::PartialDockerfile read_partial_dockerfile(const BuildSpec& spec);
// Throws UsageError for an invalid platform.
dockerfile::BuildValues build_values(const BuildSpec& spec);
std::set<std::string> context_names(const BuildSpec& spec);
// By one of those names; null if there is none.
const ContextSpec* find_context(const BuildSpec& spec, const std::string& name);

}  // namespace model
}  // namespace bottle::image
