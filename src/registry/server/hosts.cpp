// SPDX-License-Identifier: Apache-2.0
#include "registry/server/hosts.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

#include "oci/reference.hpp"
#include "registry/loopback.hpp"
#include "util/ascii.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr std::size_t kMaximumName = 255;

// The one spelling of a numeric address ("0:0::1" is "::1"); nullopt for a name.
std::optional<std::string> canonical_address(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> text{};
  for (const int family : {AF_INET, AF_INET6})
    if (::inet_pton(family, host.c_str(), bytes.data()) == 1)
      return ::inet_ntop(family, bytes.data(), text.data(), text.size());
  return std::nullopt;
}

// Host and port apart; nullopt for what is neither.
struct HostPort {
  std::string host;  // ascii_lower case, without brackets and the dot of a fully qualified name
  bool bracketed = false;
};
std::optional<HostPort> split_host(std::string_view text) {
  HostPort result;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    result.host = ascii_lower(text.substr(1, end - 1));
    result.bracketed = true;
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return std::nullopt;
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    result.host = ascii_lower(text.substr(0, colon));
    port = text.substr(colon);
  }
  if (!port.empty()) port.remove_prefix(1);
  const auto number = parse_unsigned(port);
  if (!port.empty() && (!number || *number > 65535)) return std::nullopt;
  if (result.host.ends_with('.')) result.host.pop_back();
  const auto good = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '_' ||
           (result.bracketed && c == ':');
  };
  if (result.host.empty() || result.host.size() > kMaximumName ||
      !std::all_of(result.host.begin(), result.host.end(), good))
    return std::nullopt;
  if (result.bracketed && !canonical_address(result.host)) return std::nullopt;
  return result;
}

}  // namespace

ServerHosts::ServerHosts(std::string_view listen, const std::vector<std::string>& names) {
  const std::string address = canonical_address(std::string(listen)).value_or(std::string(listen));
  any_address_ = address == "0.0.0.0" || address == "::";
  names_.insert(address);
  for (const std::string& name : names)
    names_.insert(canonical_address(name).value_or(ascii_lower(name)));
}

bool ServerHosts::allows_host(std::string_view text) const {
  const auto host = split_host(text);
  if (!host) return false;
  const auto address = canonical_address(host->host);
  if (address) {
    if (any_address_ || *address == "::1") return true;
    if (names_.contains(*address)) return true;
  }
  return names_.contains(host->host) || is_loopback(host->host);
}

bool ServerHosts::allows_origin(std::string_view origin, std::string_view host) const {
  // A proxy in front may do TLS, so the scheme is not compared.
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme))
      return ascii_lower(origin.substr(scheme.size())) == ascii_lower(host) && allows_host(host);
  return false;
}

bool is_host_field(std::string_view text) {
  return split_host(text).has_value();
}

}  // namespace bottle::registry
