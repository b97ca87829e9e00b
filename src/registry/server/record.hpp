// SPDX-License-Identifier: Apache-2.0
// What a server tells of its requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace bottle::registry {

// One line for each request, as it has ended: for logs and for tests.
struct RequestRecord {
  std::string method;
  std::string target;  // as it was sent; without the line's control characters
  int status = 0;      // 0: the client went away before it got an answer
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;  // of the answer's body
  std::chrono::microseconds time{0};
  std::string error = {};  // of a failure of the server's own
};

struct ServerCounts {
  std::uint64_t requests = 0;  // answered
  std::uint64_t failures = 0;  // of those, with a status of 500 or more
  std::uint64_t bytes_in = 0;  // of bodies
  std::uint64_t bytes_out = 0;
  std::uint64_t connections_ever = 0;
  unsigned connections = 0;  // now
};

}  // namespace bottle::registry
