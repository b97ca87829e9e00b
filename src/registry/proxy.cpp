// SPDX-License-Identifier: Apache-2.0
#include "registry/proxy.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "oci/reference.hpp"
#include "registry/loopback.hpp"
#include "util/ascii.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

std::string first_of(std::initializer_list<environment::Variable> variables) {
  for (const environment::Variable variable : variables)
    if (std::string value = environment::value(variable); !value.empty()) return value;
  return {};
}

// An address as 16 bytes, IPv4 mapped into IPv6, for comparisons.
struct Address {
  std::array<unsigned char, 16> bytes{};
  bool v4 = false;
};

std::optional<Address> parse_address(std::string_view text) {
  const std::string host(text);
  Address address;
  if (::inet_pton(AF_INET6, host.c_str(), address.bytes.data()) == 1) {
    static constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    address.v4 = std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
    return address;
  }
  address.bytes[10] = address.bytes[11] = 0xff;
  address.v4 = true;
  if (::inet_pton(AF_INET, host.c_str(), address.bytes.data() + 12) == 1) return address;
  return std::nullopt;
}

bool is_in_prefix(const Address& address, const Address& network, std::size_t bits) {
  if (address.v4 != network.v4) return false;
  const std::size_t all = bits + (network.v4 ? 96 : 0);
  for (std::size_t i = 0; i < all; ++i)
    if (((address.bytes[i / 8] ^ network.bytes[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
  return true;
}

std::optional<bool> matches_prefix(std::string_view entry, const std::optional<Address>& address) {
  const std::size_t slash = entry.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto network = parse_address(entry.substr(0, slash));
  const auto bits = parse_unsigned(entry.substr(slash + 1));
  if (!network || !bits || *bits > (network->v4 ? 32u : 128u)) return std::nullopt;
  return address && is_in_prefix(*address, *network, static_cast<std::size_t>(*bits));
}

// Whether an entry of NO_PROXY, in lower case, is for the host and port.
bool matches(std::string_view entry, const std::string& host, const std::optional<Address>& address,
             const std::string& port) {
  if (entry == "*") return true;
  if (const auto inside = matches_prefix(entry, address)) return *inside;
  std::string_view name = entry;
  std::string_view wanted_port;
  if (entry.starts_with('[')) {
    const std::size_t end = entry.find(']');
    if (end == std::string_view::npos) return false;
    name = entry.substr(1, end - 1);
    if (end + 1 < entry.size()) {
      if (entry[end + 1] != ':') return false;
      wanted_port = entry.substr(end + 2);
    }
  } else if (const std::size_t colon = entry.find(':');
             colon != std::string_view::npos && colon == entry.rfind(':')) {
    name = entry.substr(0, colon);
    wanted_port = entry.substr(colon + 1);
  }
  if (name.empty() || (!wanted_port.empty() && wanted_port != port)) return false;
  if (const auto other = parse_address(name)) return address && other->bytes == address->bytes;
  if (name.starts_with("*.")) name.remove_prefix(1);
  const bool itself = !name.starts_with('.');
  if (itself && host == name) return true;
  const std::string suffix = itself ? "." + std::string(name) : std::string(name);
  return host.ends_with(suffix);
}

bool is_excluded(const std::string& no_proxy, const Url& url) {
  std::string host = url.host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.pop_back();
  const auto address = parse_address(host);
  std::string list = no_proxy;
  std::transform(list.begin(), list.end(), list.begin(),
                 [](char c) { return c == ' ' || c == '\t' ? ',' : ascii_lower(c); });
  for (const std::string_view entry : split(list, ','))
    if (!entry.empty() && matches(entry, host, address, std::to_string(url.port))) return true;
  return false;
}

std::string checked(const std::string& proxy) {
  const std::size_t mark = proxy.find("://");
  std::string scheme = ascii_lower(mark == std::string::npos ? "http" : proxy.substr(0, mark));
  const std::string rest = mark == std::string::npos ? proxy : proxy.substr(mark + 3);
  // The name is resolved by the proxy, which may know more names than this machine.
  if (scheme == "socks5") scheme = "socks5h";
  const std::string host = rest.substr(rest.rfind('@') == std::string::npos ? 0 : rest.rfind('@') + 1);
  if ((scheme != "http" && scheme != "https" && scheme != "socks5h") || host.empty() ||
      host.find_first_of(" \t\r\n\"<>") != std::string::npos)
    throw Error(
        "expected a proxy of the form http://host:port, found \"" + redacted(escape_word(proxy)) + '"',
        {.where = "the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"});
  // Of http libcurl's default port is 1080.
  const std::string authority = host.substr(0, host.find('/'));
  const std::size_t end = authority.ends_with(']') ? std::string::npos : authority.rfind(':');
  const bool has_port = end != std::string::npos && (authority[0] != '[' || authority[end - 1] == ']');
  const std::string before = rest.substr(0, rest.size() - host.size());
  return scheme + "://" + before + authority + (has_port || scheme != "http" ? "" : ":80");
}

}  // namespace

ProxySettings proxy_environment() {
  ProxySettings settings;
  const bool cgi = environment::find(environment::kRequestMethod).has_value();
  settings.http = cgi ? first_of({environment::kHttpProxyLower})
                      : first_of({environment::kHttpProxy, environment::kHttpProxyLower});
  settings.https = first_of({environment::kHttpsProxy, environment::kHttpsProxyLower});
  const std::string all = first_of({environment::kAllProxy, environment::kAllProxyLower});
  if (settings.http.empty()) settings.http = all;
  if (settings.https.empty()) settings.https = all;
  settings.no_proxy = first_of({environment::kNoProxy, environment::kNoProxyLower});
  return settings;
}

std::optional<std::string> proxy_for(const ProxySettings& settings, const Url& url) {
  const std::string& proxy = url.scheme == "https" ? settings.https : settings.http;
  if (proxy.empty() || is_loopback(url.host) || is_excluded(settings.no_proxy, url)) return std::nullopt;
  return checked(proxy);
}

}  // namespace bottle::registry
