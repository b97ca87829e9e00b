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

// Throws PortError.
PortSpec parse_port(std::string_view text);

}  // namespace bottle::dockerfile
