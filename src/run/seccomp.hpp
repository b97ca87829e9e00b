// SPDX-License-Identifier: Apache-2.0
// The system calls that a RUN instruction may make: what Docker lets containers do by default.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace bottle::run {

// The member linux.seccomp of a container's configuration, for this machine's architecture and the
// capabilities of run/bundle.cpp.
nlohmann::json seccomp_profile();

}  // namespace bottle::run
