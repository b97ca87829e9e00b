// SPDX-License-Identifier: Apache-2.0
// HTTP over libcurl: bounded answers, bodies as streams, redirects that leak no credential, retries that end.
// Source: RFC 9110 (semantics, Range, Retry-After), RFC 9112.
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

#include "registry/http_types.hpp"
#include "registry/http_values.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace bottle::registry {

// May be used by several threads at once: each request takes a connection of a pool, and returns it.
class Http {
 public:
  explicit Http(HttpOptions options = {});
  ~Http();
  Http(Http&&) noexcept;

  // Any status that is not retried is returned; the caller judges it. Throws ConnectionError or Error with
  // the redacted URL.
  Response request(const Request& request) const;

  // Hands the body of a GET on in order as it comes, each byte once. A connection that breaks is made again
  // and continues with a Range. Returns the answer's head; a status other than 200 and 206 is returned with
  // its body (at most 64 KiB) and nothing has been handed on. What the sink throws is thrown.
  Response download(const std::string& url, const DownloadSink& sink,
                    const DownloadOptions& options = {}) const;

  const HttpOptions& options() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bottle::registry
