// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 in front of a Service, by libmicrohttpd: a few threads with epoll, files sent with sendfile(2),
// long work on separate threads.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "registry/server/connections.hpp"
#include "registry/server/limits.hpp"
#include "registry/server/record.hpp"
#include "registry/server/service.hpp"
#include "registry/server/socket.hpp"
#include "registry/server/workers.hpp"

struct MHD_Daemon;

namespace bottle::registry {

class HttpDaemon {
 public:
  // Answers when this returns. `service` must outlive it.
  HttpDaemon(ListeningSocket listening, Service& service, const ServerLimits& limits,
             std::function<void(const RequestRecord&)> on_request);
  ~HttpDaemon();  // ends all connections
  HttpDaemon(HttpDaemon&&) = delete;

  ServerCounts counts() const;

 private:
  struct Exchange;
  struct Callbacks;  // what libmicrohttpd calls

  template <typename Function>
  void guarded(Exchange& exchange, Function function);
  void answer(Exchange& exchange);
  void finish(Exchange& exchange);
  void record(const Exchange& exchange, bool completed);

  Service& service_;
  std::function<void(const RequestRecord&)> on_request_;
  Connections connections_;
  Workers workers_;
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> failures_{0};
  std::atomic<std::uint64_t> bytes_in_{0};
  std::atomic<std::uint64_t> bytes_out_{0};
  MHD_Daemon* daemon_ = nullptr;
};

// As long as it lives, threads that are started have all signals blocked: signals are for the main thread.
class BlockedSignals {
 public:
  BlockedSignals();
  ~BlockedSignals();
  BlockedSignals(BlockedSignals&&) = delete;

 private:
  struct Mask;
  std::unique_ptr<Mask> before_;
};

}  // namespace bottle::registry
