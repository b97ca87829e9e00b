// SPDX-License-Identifier: Apache-2.0
// Which proxy a URL is fetched through, as the environment says, by the rules of programs written in Go
// (Docker, containerd, Podman, Skopeo): what works for them works here. libcurl's own reading differs: it
// ignores HTTP_PROXY in capitals, and knows neither ports nor "*.example.com" in NO_PROXY. Source:
// golang.org/x/net/http/httpproxy, documentation of Config.
#pragma once

#include <optional>
#include <string>

#include "registry/http_types.hpp"

namespace bottle::registry {

struct ProxySettings {
  std::string http;   // for http URLs: "http://proxy:3128", "proxy:3128", "socks5://proxy"
  std::string https;  // for https URLs
  // Comma-separated, of: "*" (all), an IP address, a CIDR prefix, "example.com" (it and names below it),
  // ".example.com" or "*.example.com" (names below it only); addresses and names also with ":port".
  std::string no_proxy;
};

// HTTP_PROXY, HTTPS_PROXY and NO_PROXY, each in capitals, else in small letters; ALL_PROXY where there is no
// other, as curl has it. HTTP_PROXY is not read in a CGI program (REQUEST_METHOD is set), where it is a
// header of the client.
ProxySettings proxy_environment();

// The proxy for the URL; nullopt: none. Loopback is always reached directly. Throws for a proxy that is not a
// URL of the schemes http, https, socks5 and socks5h; the error shows no password.
std::optional<std::string> proxy_for(const ProxySettings& settings, const Url& url);

}  // namespace bottle::registry
