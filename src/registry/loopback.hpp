// SPDX-License-Identifier: Apache-2.0
// Which registries are this machine itself.
#pragma once

#include <string_view>

namespace bottle::registry {

// Of a registry as references name it ("localhost:5000", "127.0.0.1", "[::1]:80"): "localhost" and names
// below it, 127.0.0.0/8, ::1.
bool is_loopback(std::string_view registry);

}  // namespace bottle::registry
