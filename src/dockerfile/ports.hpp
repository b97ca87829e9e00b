// SPDX-License-Identifier: Apache-2.0
// Port specifications of EXPOSE: [[ip:]host:]port[-last][/protocol].
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "util/error.hpp"

namespace bottle::dockerfile {

struct PortSpec {
  std::vector<std::string> ports;  // "80/tcp", one for each port of a range
  std::string protocol;            // as written, "tcp" if not
  bool has_host_part = false;      // an address or a port of the host, which means nothing here
};

class PortError : public Error {
 public:
  using Error::Error;
};

// The parts of a specification, before addresses and numbers are checked.
struct PortText {
  std::string address;
  std::string host;      // port or range of the host
  std::string port;      // port or range
  std::string protocol;  // as written, "tcp" if not
};
// Throws PortError without a port and for an unknown protocol.
PortText split_port(std::string_view text);
// Throws PortError.
PortSpec parse_port(std::string_view text);

}  // namespace bottle::dockerfile
