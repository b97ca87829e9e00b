// SPDX-License-Identifier: Apache-2.0
// What an HTTP request and its answer consist of. Source: RFC 9110.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "util/error.hpp"
#include "util/file.hpp"

namespace bottle::registry {

// An absolute http or https URL.
struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address in its brackets
  std::uint16_t port = 0;
  std::string target;  // path and query: "/v2/?n=1"

  // "http://localhost:5000", without the port when it is the scheme's own.
  std::string origin() const;
  std::string string() const { return origin() + target; }
  bool same_origin(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
  // What a Location header says, relative to this URL. As parse().
  std::optional<Url> resolve(std::string_view location) const;
  // nullopt for another scheme, a user or password, control characters, blanks, more than 8 KiB.
  static std::optional<Url> parse(std::string_view text);
};

// The URL as messages may show it: without user, password, fragment and the values of its query, which may be
// signatures.
std::string redacted(std::string_view url);

// Names are compared without regard to case.
class Headers {
 public:
  void add(std::string_view name, std::string value);
  // The first of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> list_;
};

struct RetryPolicy {
  unsigned attempts = 5;                      // in all; of a download: without progress in between
  std::chrono::milliseconds first_wait{250};  // doubles each time, with jitter
  std::chrono::milliseconds longest_wait{20'000};
  std::chrono::milliseconds total{180'000};  // of all waiting for one request
};

struct HttpOptions {
  RetryPolicy retry;
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds idle_timeout{30};      // less than 1 KiB/s for this time is a lost connection
  std::chrono::seconds request_timeout{120};  // for a request with a small body each way, one attempt
  // Where TLS finds certificates for a host with port, as Docker does: a folder of this name in one of these
  // directories with *.crt (authorities) and pairs of *.cert and *.key (of the client).
  std::vector<fs::path> certificate_directories;
};

// Settings of one host that differ from those of the others.
struct HostSettings {
  bool verify = true;                 // TLS certificates
  std::vector<fs::path> authorities;  // PEM files, beside the system's
  fs::path certificate;               // of the client, PEM; empty: none
  fs::path key;
  std::vector<std::string> headers;  // "Name: value", of each request
};

// A body to send: `size` bytes of an open file from `offset` on, or `bytes`.
struct Body {
  std::string bytes;
  int file = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::string name;                                // of the file, for messages
  std::function<void(std::uint64_t)> on_progress;  // bytes handed on since the last call
};

struct Request {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::optional<Body> body;
  // The value of an Authorization header. Sent to the URL's own origin, never to where a redirect leads.
  std::string authorization;
  std::shared_ptr<const HostSettings> settings;  // of the URL's own origin; nullptr: as for every host
  std::uint64_t maximum_body = 1u << 20;         // of the answer; more is an Error
  bool retry = true;                             // 408, 429, 500, 502, 503, 504 and lost connections
  bool follow = true;                            // redirects, at most 5
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;  // of a download: only of a response that is not a success
  std::string url;   // where the answer came from after redirects
};

// The connection failed or broke, also after all retries.
class ConnectionError : public Error {
  using Error::Error;
};

struct DownloadOptions {
  std::vector<std::string> headers;
  std::string authorization;  // as in Request
  std::shared_ptr<const HostSettings> settings;
  std::optional<std::uint64_t> size;   // what must come: another length is an Error
  std::uint64_t maximum = UINT64_MAX;  // more is an Error
  // The first byte to request; those before it are present. Only with `size`.
  std::uint64_t offset = 0;
  // The bytes are known to be the same whenever they are asked for (a blob by digest), so that a broken
  // download continues where it stopped even if the server gives no strong ETag.
  bool immutable = false;
  bool retry = true;  // as in Request
};

using DownloadSink = std::function<void(std::span<const std::byte>)>;

}  // namespace bottle::registry
