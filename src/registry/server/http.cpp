// SPDX-License-Identifier: Apache-2.0
#include "registry/server/http.hpp"

#include "registry/server/microhttpd_library.hpp"
#include "util/error.hpp"
#include "util/parallel.hpp"
#include "util/text.hpp"

#include <signal.h>
#include <strings.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace bottle::registry {
namespace {

// For a connection: its headers (a longer head is refused with 431) and what of a body is read at once.
constexpr std::size_t kConnectionMemory = 128u << 10;
constexpr std::size_t kMemoryStep = 32u << 10;
// What is left of a body after its request was refused is read up to here, so that the client sees the answer
// and not a broken connection.
constexpr std::uint64_t kDrainLimit = 64u << 20;

std::string header(MHD_Connection* connection, const char* name) {
  const char* value = libmicrohttpd().lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value != nullptr ? value : "";
}

std::string without_parameters(std::string type) {
  type.resize(std::min(type.find(';'), type.size()));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t'))
    type.pop_back();
  return type.size() <= 255 ? type : std::string();
}

// Owns a response until it is queued; libmicrohttpd counts references.
class MadeResponse {
 public:
  explicit MadeResponse(MHD_Response* response) : response_(response) {
    if (response_ == nullptr) throw std::bad_alloc();
  }
  ~MadeResponse() { libmicrohttpd().destroy_response(response_); }
  MadeResponse(const MadeResponse&) = delete;
  MadeResponse& operator=(const MadeResponse&) = delete;
  MHD_Response* get() const { return response_; }

 private:
  MHD_Response* response_;
};

MHD_Response* make_response(Reply& reply) {
  if (reply.file && reply.length > 0) {
    MHD_Response* response =
        libmicrohttpd().create_response_from_fd_at_offset64(reply.length, reply.file.get(), reply.offset);
    if (response != nullptr) (void)reply.file.release();  // closed with the response
    return response;
  }
  return libmicrohttpd().create_response_from_buffer(reply.body.size(), reply.body.data(),
                                                     MHD_RESPMEM_MUST_COPY);
}

}  // namespace

struct HttpDaemon::Exchange {
  explicit Exchange(std::string raw) : target(std::move(raw)), begun(std::chrono::steady_clock::now()) {}

  std::string target;
  std::chrono::steady_clock::time_point begun;
  std::string method;
  ServerRequest request;
  std::string fault;  // of its host
  bool has_head = false;
  bool has_body = false;
  bool expects_continue = false;
  std::unique_ptr<Work> work;
  std::optional<Reply> reply;
  bool queued = false;
  int status = 0;
  std::uint64_t length = 0;  // of the answer
  std::uint64_t received = 0;
  std::uint64_t drained = 0;
  std::string error;  // of the server's own
};

struct BlockedSignals::Mask {
  sigset_t set;
};

BlockedSignals::BlockedSignals() : before_(std::make_unique<Mask>()) {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_->set);
}

BlockedSignals::~BlockedSignals() {
  ::pthread_sigmask(SIG_SETMASK, &before_->set, nullptr);
}

// Whatever goes wrong becomes the answer.
template <typename Function>
void HttpDaemon::guarded(Exchange& exchange, Function function) {
  try {
    function();
  } catch (Refusal& refusal) {
    exchange.reply = std::move(refusal.reply());
  } catch (const Error& error) {
    exchange.error = error.what();
    exchange.reply = error_reply(500, "UNKNOWN", "the registry failed: " + error.message());
  } catch (const std::exception& error) {
    exchange.error = error.what();
    exchange.reply = error_reply(500, "UNKNOWN", "the registry failed");
  }
}

struct HttpDaemon::Callbacks {
  static HttpDaemon& self(void* cls) { return *static_cast<HttpDaemon*>(cls); }

  static int socket_of(MHD_Connection* connection) {
    const MHD_ConnectionInfo* info =
        libmicrohttpd().get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != nullptr ? info->connect_fd : -1;
  }

  // The request line as it is: libmicrohttpd's own decoding loses what "%2F" and "%00" were.
  static void* begin(void*, const char* uri, MHD_Connection*) { return new Exchange(uri); }

  static void connection(void* cls, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
      self(cls).connections_.opened(socket_of(connection));
    else
      self(cls).connections_.closed(socket_of(connection));
  }

  static void completed(void* cls, MHD_Connection* connection, void** context,
                        MHD_RequestTerminationCode code) {
    const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*context));
    *context = nullptr;
    self(cls).connections_.enter(socket_of(connection), Connections::Phase::head);
    if (exchange && exchange->has_head)
      self(cls).record(*exchange, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
  }

  static void read_head(MHD_Connection* connection, Exchange& exchange) {
    ServerRequest& request = exchange.request;
    request.content_type = without_parameters(header(connection, MHD_HTTP_HEADER_CONTENT_TYPE));
    request.content_range = header(connection, MHD_HTTP_HEADER_CONTENT_RANGE);
    request.range = header(connection, MHD_HTTP_HEADER_RANGE);
    request.if_range = header(connection, MHD_HTTP_HEADER_IF_RANGE);
    request.if_match = header(connection, MHD_HTTP_HEADER_IF_MATCH);
    request.if_none_match = header(connection, MHD_HTTP_HEADER_IF_NONE_MATCH);
    request.authorization = header(connection, MHD_HTTP_HEADER_AUTHORIZATION);
    request.origin = header(connection, MHD_HTTP_HEADER_ORIGIN);
    request.content_length = parse_unsigned(header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH));
    const bool chunked = !header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING).empty();
    if (chunked) request.content_length.reset();
    exchange.has_body = chunked || request.content_length.value_or(0) > 0;
    exchange.expects_continue = !header(connection, MHD_HTTP_HEADER_EXPECT).empty();
  }

  // The host that the request is for (RFC 9112 section 3.2): exactly one Host header, also where the target,
  // which goes before it, has a host itself. HTTP/1.0 knows none.
  static void read_host(MHD_Connection* connection, std::string_view version, Exchange& exchange) {
    std::vector<std::string> hosts;
    (void)libmicrohttpd().get_connection_values_n(connection, MHD_HEADER_KIND, &collect_host, &hosts);
    const RequestTarget target = split_request_target(exchange.target);
    if (hosts.empty() && version == MHD_HTTP_VERSION_1_1)
      exchange.fault = "HTTP/1.1 needs a Host header (RFC 9112 section 3.2)";
    else if (hosts.size() > 1)
      exchange.fault = "more than one Host header";
    else if (target.absolute && !is_host_field(target.authority))
      exchange.fault = "invalid request target: expected a host with an optional port";
    else if (!target.absolute && !hosts.empty() && !is_host_field(hosts[0]))
      exchange.fault = "invalid Host header: expected a host with an optional port";
    exchange.request.host = target.absolute ? std::string(target.authority) : hosts.empty() ? "" : hosts[0];
  }

  static MHD_Result collect_host(void* hosts, MHD_ValueKind, const char* name, std::size_t name_size,
                                 const char* value, std::size_t value_size) noexcept {
    constexpr std::string_view kName = MHD_HTTP_HEADER_HOST;
    if (name_size != kName.size() || ::strncasecmp(name, kName.data(), name_size) != 0) return MHD_YES;
    try {
      static_cast<std::vector<std::string>*>(hosts)->emplace_back(value, value_size);
      return MHD_YES;
    } catch (const std::exception&) {
      return MHD_NO;
    }
  }

  static MHD_Result send(MHD_Connection* connection, Exchange& exchange) {
    Reply& reply = *exchange.reply;
    exchange.status = reply.status;
    exchange.length = exchange.request.method == Method::head ? 0
                      : reply.file                            ? reply.length
                                                              : reply.body.size();
    exchange.queued = true;
    const MadeResponse response(make_response(reply));
    for (const auto& [name, value] : reply.headers)
      (void)libmicrohttpd().add_response_header(response.get(), name.c_str(), value.c_str());
    (void)libmicrohttpd().add_response_header(response.get(), "Docker-Distribution-API-Version",
                                              "registry/2.0");
    return libmicrohttpd().queue_response(connection, static_cast<unsigned>(reply.status), response.get());
  }

  static MHD_Result handle(void* cls, MHD_Connection* connection, const char*, const char* method,
                           const char* version, const char* data, std::size_t* size, void** context) {
    try {
      return step(self(cls), connection, method, version, data, size, *static_cast<Exchange*>(*context));
    } catch (const std::exception&) {
      return MHD_NO;  // out of memory while answering: the connection ends
    }
  }

  static MHD_Result step(HttpDaemon& http, MHD_Connection* connection, const char* method,
                         const char* version, const char* data, std::size_t* size, Exchange& exchange) {
    if (!exchange.has_head) {
      exchange.has_head = true;
      exchange.method = method;
      exchange.request.method = parse_method(method);
      read_head(connection, exchange);
      read_host(connection, version != nullptr ? version : "", exchange);
      http.connections_.enter(socket_of(connection),
                              exchange.has_body ? Connections::Phase::body : Connections::Phase::answer);
      http.answer(exchange);
      // An answer at this point ends the connection, which is right only for a body that the client does not
      // read.
      const bool unwanted = exchange.has_body && (exchange.expects_continue ||
                                                  exchange.request.content_length.value_or(0) > kDrainLimit);
      return exchange.reply && unwanted ? send(connection, exchange) : MHD_YES;
    }
    if (*size > 0) {
      exchange.received += *size;
      if (exchange.reply) {
        exchange.drained += *size;
        if (exchange.drained > kDrainLimit) return MHD_NO;
      } else {
        http.guarded(exchange, [&] { exchange.work->write(std::as_bytes(std::span(data, *size))); });
      }
      *size = 0;
      return MHD_YES;
    }
    http.connections_.enter(socket_of(connection), Connections::Phase::answer);
    if (exchange.reply) return exchange.queued ? MHD_YES : send(connection, exchange);
    libmicrohttpd().suspend_connection(connection);
    Exchange* const waiting = &exchange;
    const auto job = [&http, connection, waiting] {
      http.finish(*waiting);
      libmicrohttpd().resume_connection(connection);
    };
    if (!http.workers_.submit(job)) job();
    return MHD_YES;
  }
};

void HttpDaemon::answer(Exchange& exchange) {
  guarded(exchange, [&] {
    if (!exchange.fault.empty()) throw Refusal(400, "UNSUPPORTED", exchange.fault);
    ParsedTarget parsed = parse_target(split_request_target(exchange.target).origin_form);
    if (!parsed.target) throw Refusal(parsed.fault.status, parsed.fault.code, parsed.fault.message);
    exchange.request.target = std::move(*parsed.target);
    Answer answer = service_.answer(exchange.request);
    exchange.reply = std::move(answer.reply);
    exchange.work = std::move(answer.work);
  });
}

void HttpDaemon::finish(Exchange& exchange) {
  guarded(exchange, [&] { exchange.reply = exchange.work->finish(); });
  exchange.work.reset();
}

void HttpDaemon::record(const Exchange& exchange, bool completed) {
  RequestRecord record;
  record.method = exchange.method;
  record.target = exchange.target;
  record.status = completed ? exchange.status : 0;
  record.bytes_in = exchange.received;
  record.bytes_out = completed ? exchange.length : 0;
  record.time = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                      exchange.begun);
  record.error = exchange.error;
  requests_ += completed ? 1 : 0;
  failures_ += exchange.status >= 500 ? 1 : 0;
  bytes_in_ += record.bytes_in;
  bytes_out_ += record.bytes_out;
  if (on_request_) on_request_(record);
}

HttpDaemon::HttpDaemon(ListeningSocket listening, Service& service, const ServerLimits& limits,
                       std::function<void(const RequestRecord&)> on_request)
    : service_(service),
      on_request_(std::move(on_request)),
      connections_(std::chrono::seconds(limits.idle_seconds)),
      workers_(std::clamp(static_cast<unsigned>(default_threads()), 2u, 4u)) {
  const unsigned threads = std::clamp(static_cast<unsigned>(default_threads()), 2u, 8u);
  daemon_ = libmicrohttpd().start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr, &Callbacks::handle, this,
      MHD_OPTION_LISTEN_SOCKET, listening.socket.get(),                    //
      MHD_OPTION_THREAD_POOL_SIZE, threads,                                //
      MHD_OPTION_CONNECTION_LIMIT, std::max(limits.connections, threads),  //
      MHD_OPTION_CONNECTION_TIMEOUT, limits.idle_seconds,                  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,               //
      MHD_OPTION_CONNECTION_MEMORY_INCREMENT, kMemoryStep,                 //
      MHD_OPTION_URI_LOG_CALLBACK, &Callbacks::begin, this,                //
      MHD_OPTION_NOTIFY_COMPLETED, &Callbacks::completed, this,            //
      MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::connection, this,          //
      MHD_OPTION_END);
  if (daemon_ == nullptr)
    throw Error("cannot start the HTTP server",
                {.where = listening.address, .hint = "check the limits of this process: ulimit -a"});
  (void)listening.socket.release();  // closed by the daemon
}

HttpDaemon::~HttpDaemon() {
  // Suspended connections may not be when the daemon stops.
  workers_.drain();
  libmicrohttpd().stop_daemon(daemon_);
}

ServerCounts HttpDaemon::counts() const {
  ServerCounts counts;
  counts.requests = requests_;
  counts.failures = failures_;
  counts.bytes_in = bytes_in_;
  counts.bytes_out = bytes_out_;
  counts.connections_ever = connections_.ever();
  counts.connections = connections_.now();
  return counts;
}

}  // namespace bottle::registry
