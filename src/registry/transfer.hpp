// SPDX-License-Identifier: Apache-2.0
// One HTTP request and its answer over libcurl, without redirects or retries. For the files of this room
// only.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "registry/certificates.hpp"
#include "registry/http_types.hpp"
#include "registry/proxy.hpp"

namespace bottle::registry {

struct Exchange {
  std::string method;
  Url url;
  std::vector<std::string> headers;
  std::string authorization;
  std::shared_ptr<const HostSettings> settings;  // nullptr: as for every host
  const Body* body = nullptr;
  bool may_resend = true;          // the body, when a kept connection turns out to be dead
  std::uint64_t maximum_body = 0;  // of what is collected
  bool with_deadline = true;       // HttpOptions::request_timeout
  // Called with the final head. Whether the body goes to `sink`; else it is collected. May throw.
  std::function<bool(int status, const Headers& headers)> on_head;
  DownloadSink sink;
};

struct HttpAnswer {
  int status = 0;
  Headers headers;
  std::string body;
};

// Connections that wait to be used again.
class ConnectionPool {
 public:
  explicit ConnectionPool(const HttpOptions& options);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;

  // Throws ConnectionError when the connection fails or breaks, an Error for what another attempt would not
  // better, and what the callbacks throw.
  HttpAnswer perform(const Exchange& exchange);

 private:
  class Lease;
  const SystemAuthorities& authorities();  // read with the first TLS connection

  const HttpOptions& options_;
  const ProxySettings proxies_ = proxy_environment();
  std::mutex mutex_;
  std::vector<void*> idle_;
  std::optional<SystemAuthorities> authorities_;
};

}  // namespace bottle::registry
