// SPDX-License-Identifier: Apache-2.0
// The listening socket of a server.
#pragma once

#include <cstdint>
#include <string>

#include "util/file.hpp"

namespace bottle::registry {

struct ListeningSocket {
  Fd socket;
  std::uint16_t port = 0;
  std::string address;  // "127.0.0.1:4711", "[::1]:4711"
};

// `host` is a numeric address; port 0 is a free one. Throws an Error that names both.
ListeningSocket listen_on(const std::string& host, std::uint16_t port);

}  // namespace bottle::registry
