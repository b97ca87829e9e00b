// SPDX-License-Identifier: Apache-2.0
// Which hosts and origins a request may name. A page in a browser reaches a server on loopback in two ways:
// by a request from its own origin to http://127.0.0.1 (cross-site request forgery), and by the page's own
// host name that resolves to 127.0.0.1 (DNS rebinding). The first has an Origin of another host, the second a
// Host that is not the server's. Programs that are not browsers send no Origin.
// Source: RFC 9110 section 7.2 (Host), section 15.5.20 (421); RFC 6454 section 7 (Origin).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bottle::registry {

class ServerHosts {
 public:
  // `listen` is the numeric address that the server listens on, `names` are hosts without port that it has
  // beside it. A server on all addresses ("0.0.0.0", "::") is named by any numeric address: no name that an
  // attacker chooses is one.
  ServerHosts(std::string_view listen, const std::vector<std::string>& names);

  // Whether a Host header, with or without port, names this server: loopback addresses, "localhost" and names
  // below it, the address it listens on, its names.
  bool allows_host(std::string_view host) const;
  // Whether an Origin header is that of a page of this server itself, as `host` (the request's Host) says.
  bool allows_origin(std::string_view origin, std::string_view host) const;

 private:
  bool any_address_ = false;
  std::set<std::string> names_;  // lower case; numeric addresses in their canonical form
};

// A Host header as RFC 9112 section 3.2 has it: a host, in brackets if it is an IPv6 address, with an
// optional port.
bool is_host_field(std::string_view text);

}  // namespace bottle::registry
