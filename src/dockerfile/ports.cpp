// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/ports.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "dockerfile/text.hpp"

namespace bottle::dockerfile {
namespace {

std::optional<int> port_number(std::string_view text) {
  if (text.size() > 1 && text.front() == '+') text.remove_prefix(1);
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || stop != end || error != std::errc() || value < 0 || value > 65535) return std::nullopt;
  return value;
}

std::optional<std::pair<int, int>> port_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = port_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : port_number(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return std::pair(*first, *last);
}

bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> buffer{};
  return inet_pton(AF_INET, text.c_str(), buffer.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), buffer.data()) == 1;
}

[[noreturn]] void fail_port(std::string message,
                            std::string hint = "write a port such as 80, 80/udp or 8000-8010") {
  throw PortError(std::move(message), {.where = {}, .hint = std::move(hint)});
}

}  // namespace

PortText split_port(std::string_view text) {
  PortText parts;
  std::string_view port = text;
  if (const std::size_t colon = port.rfind(':'); colon != std::string_view::npos) {
    std::string_view host = port.substr(0, colon);
    port = port.substr(colon + 1);
    if (const std::size_t second = host.rfind(':'); second != std::string_view::npos) {
      parts.address = std::string(host.substr(0, second));
      host = host.substr(second + 1);
    }
    parts.host = std::string(host);
  }
  const std::size_t slash = port.find('/');
  parts.protocol = slash == std::string_view::npos ? "" : std::string(port.substr(slash + 1));
  parts.port = std::string(port.substr(0, slash));
  if (parts.port.empty()) fail_port("invalid port " + in_quotes(text) + ": no port specified");
  if (parts.protocol.empty()) parts.protocol = "tcp";
  const std::string protocol = to_lower(parts.protocol);
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
    fail_port("invalid port " + in_quotes(text) + ": invalid protocol " + parts.protocol,
              "use tcp, udp or sctp");
  return parts;
}

PortSpec parse_port(std::string_view text) {
  PortText parts = split_port(text);
  const std::string shown(text);
  const std::string protocol = to_lower(parts.protocol);
  const std::string& host = parts.host;
  const std::string& port = parts.port;
  std::string& address = parts.address;
  PortSpec spec;
  spec.has_host_part = !address.empty() || !host.empty();
  spec.protocol = parts.protocol;
  if (address.size() > 1 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  if (!address.empty() && !is_address(address)) fail_port("invalid IP address in port " + in_quotes(shown));
  const auto range = port_range(port);
  if (!range) fail_port("invalid port " + in_quotes(shown));
  if (!host.empty()) {
    const auto host_range = port_range(host);
    if (!host_range) fail_port("invalid host port in " + in_quotes(shown));
    if (range->first != range->second &&
        range->second - range->first != host_range->second - host_range->first) {
      fail_port("the container and host port ranges in " + in_quotes(shown) + " differ in length");
    }
  }
  for (int number = range->first; number <= range->second; ++number) {
    spec.ports.push_back(std::to_string(number) + "/" + protocol);
  }
  return spec;
}

}  // namespace bottle::dockerfile
