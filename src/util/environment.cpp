// SPDX-License-Identifier: Apache-2.0
#include "util/environment.hpp"

#include <unistd.h>

#include <cstdlib>

namespace bottle::environment {

std::optional<std::string> find_named(const std::string& name) {
  const char* const found = std::getenv(name.c_str());
  return found != nullptr ? std::optional<std::string>(found) : std::nullopt;
}

std::optional<std::string> find(Variable variable) {
  return find_named(variable.name);
}

std::string value(Variable variable) {
  return find(variable).value_or("");
}

std::vector<std::string> lines() {
  std::vector<std::string> result;
  for (char** line = environ; *line != nullptr; ++line)
    result.emplace_back(*line);
  return result;
}

}  // namespace bottle::environment
