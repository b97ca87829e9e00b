// Environment variables.
#pragma once

#include <string>

namespace bottle {

// "" for one that is not set.
std::string environment(const char* name);

}  // namespace bottle
