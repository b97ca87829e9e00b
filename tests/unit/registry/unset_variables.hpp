// SPDX-License-Identifier: Apache-2.0
// Environment variables that a test must not inherit: unset as long as this lives, then restored.
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>

namespace bottle::registry {

class UnsetVariables {
 public:
  UnsetVariables(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      const char* value = std::getenv(name);
      before_[name] = value != nullptr ? std::optional<std::string>(value) : std::nullopt;
      ::unsetenv(name);
    }
  }
  ~UnsetVariables() {
    for (const auto& [name, value] : before_)
      if (value)
        ::setenv(name.c_str(), value->c_str(), 1);
      else
        ::unsetenv(name.c_str());
  }
  UnsetVariables(const UnsetVariables&) = delete;
  UnsetVariables& operator=(const UnsetVariables&) = delete;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace bottle::registry
