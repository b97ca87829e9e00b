#include "util/environment.hpp"

#include <cstdlib>

namespace bottle {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace bottle
