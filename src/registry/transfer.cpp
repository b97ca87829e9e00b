// SPDX-License-Identifier: Apache-2.0
#include "registry/transfer.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "registry/curl_library.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr long kReceiveBuffer = 512L << 10;  // libcurl's largest
constexpr long kSendBuffer = 512L << 10;
constexpr std::size_t kMaximumHead = 256u << 10;
constexpr std::size_t kMaximumErrorText = 64u << 10;
constexpr std::size_t kIdleConnections = 16;
constexpr long kSlowest = 1024;  // bytes a second

template <class Value>
void set(CURL* curl, CURLoption option, Value value) {
  if (const CURLcode status = libcurl().easy_setopt(curl, option, value); status != CURLE_OK)
    throw Error(std::string("libcurl rejected an option: ") + libcurl().easy_strerror(status));
}

class HeaderList {
 public:
  ~HeaderList() {
    if (list_ != nullptr) libcurl().slist_free_all(list_);
  }
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  void add(const std::string& line) {
    curl_slist* longer = libcurl().slist_append(list_, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list_ = longer;
  }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// What the callbacks of one transfer share. They are called from C: exceptions wait here.
struct Running {
  const Exchange& exchange;
  HttpAnswer answer;
  std::size_t head_size = 0;
  bool head_complete = false;
  bool to_sink = false;
  bool truncated = false;
  std::uint64_t sent = 0;
  std::exception_ptr failure;

  template <class Work>
  bool guarded(Work&& work) noexcept {
    try {
      work();
      return true;
    } catch (...) {
      failure = std::current_exception();
      return false;
    }
  }
  std::string where() const { return redacted(exchange.url.string()); }
  bool success() const { return answer.status >= 200 && answer.status < 300; }
};

void take_header_line(Running& running, std::string_view line) {
  running.head_size += line.size();
  if (running.head_size > kMaximumHead)
    throw Error("the response header exceeds " + human_size(kMaximumHead), {.where = running.where()});
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n'))
    line.remove_suffix(1);
  if (running.head_complete) return;  // trailers are ignored
  if (line.starts_with("HTTP/")) {
    running.answer.headers = {};
    const std::size_t blank = line.find(' ');
    const auto status =
        blank == std::string_view::npos ? std::nullopt : parse_unsigned(line.substr(blank + 1, 3));
    if (!status || *status < 100 || *status > 599)
      throw Error("expected an HTTP status, found \"" + escape_word(line.substr(0, 80)) + "\"",
                  {.where = running.where()});
    running.answer.status = static_cast<int>(*status);
    return;
  }
  if (line.empty()) {
    if (running.answer.status < 200) return;
    running.head_complete = true;
    running.to_sink =
        running.exchange.on_head && running.exchange.on_head(running.answer.status, running.answer.headers);
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
    value.remove_prefix(1);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\t'))
    value.remove_suffix(1);
  running.answer.headers.add(std::string(line.substr(0, colon)), std::string(value));
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& running = *static_cast<Running*>(user);
  const std::size_t length = size * count;
  return running.guarded([&] { take_header_line(running, {data, length}); }) ? length : 0;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& running = *static_cast<Running*>(user);
  const std::size_t length = size * count;
  const bool ok = running.guarded([&] {
    if (running.to_sink) {
      running.exchange.sink(std::as_bytes(std::span(data, length)));
      return;
    }
    std::string& body = running.answer.body;
    if (!running.success()) {  // only for a message
      const std::size_t room = kMaximumErrorText - std::min(kMaximumErrorText, body.size());
      body.append(data, std::min(room, length));
      running.truncated = length > room;
    } else if (body.size() + length > running.exchange.maximum_body) {
      throw Error("the response exceeds " + std::to_string(running.exchange.maximum_body) + " bytes",
                  {.where = running.where()});
    } else {
      body.append(data, length);
    }
  });
  return ok && !running.truncated ? length : 0;
}

std::size_t on_read(char* buffer, std::size_t size, std::size_t count, void* user) {
  auto& running = *static_cast<Running*>(user);
  const Body& body = *running.exchange.body;
  std::size_t given = 0;
  const bool ok = running.guarded([&] {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(size * count, body.size - running.sent));
    if (body.file < 0) {
      std::memcpy(buffer, body.bytes.data() + running.sent, wanted);
      given = wanted;
    } else {
      given = pread_some(body.file, std::as_writable_bytes(std::span(buffer, wanted)),
                         body.offset + running.sent, body.name);
      if (given < wanted)
        throw Error("the file became shorter while it was sent: expected " +
                        std::to_string(body.offset + body.size) + " bytes, found " +
                        std::to_string(body.offset + running.sent + given),
                    {.where = body.name});
    }
    running.sent += given;
    if (body.on_progress) body.on_progress(given);
  });
  return ok ? given : CURL_READFUNC_ABORT;
}

// libcurl begins again when a kept connection turns out to be dead. What has gone out of an upload may have
// arrived: then the uploader asks first.
int on_seek(void* user, curl_off_t offset, int origin) {
  auto& running = *static_cast<Running*>(user);
  if (origin != SEEK_SET || offset < 0 || (running.sent > 0 && !running.exchange.may_resend))
    return CURL_SEEKFUNC_CANTSEEK;
  running.sent = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

int on_time(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& running = *static_cast<Running*>(user);
  return running.guarded([] { check_interrupted(); }) ? 0 : 1;
}

void set_certificates(CURL* curl, const Certificates& certificates, const HostSettings* settings) {
  if (!certificates.authorities.empty()) {
    curl_blob blob{.data = const_cast<char*>(certificates.authorities.data()),
                   .len = certificates.authorities.size(),
                   .flags = CURL_BLOB_COPY};
    set(curl, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!certificates.has_directory) set(curl, CURLOPT_CAPATH, static_cast<char*>(nullptr));
  if (!certificates.certificate.empty()) {
    set(curl, CURLOPT_SSLCERT, certificates.certificate.c_str());
    set(curl, CURLOPT_SSLKEY, certificates.key.c_str());
  }
  if (settings != nullptr && !settings->verify) {
    set(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    set(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
}

bool is_worth_another_attempt(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
      return true;
    default:
      return false;
  }
}

std::string hint_for(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      return "check that the registry is running, and its port";
    case CURLE_COULDNT_RESOLVE_HOST:
      return "check the host name of the registry";
    case CURLE_PEER_FAILED_VERIFICATION:
      return "store the certificate of its authority as /etc/docker/certs.d/HOST:PORT/ca.crt, or set "
             "SSL_CERT_FILE";
    case CURLE_SSL_CONNECT_ERROR:
      return "add --plain-http if the registry does not use TLS";
    default:
      return "";
  }
}

}  // namespace

class ConnectionPool::Lease {
 public:
  explicit Lease(ConnectionPool& owner) : owner_(owner) {
    {
      const std::lock_guard lock(owner.mutex_);
      if (!owner.idle_.empty()) {
        curl_ = owner.idle_.back();
        owner.idle_.pop_back();
      }
    }
    if (curl_ == nullptr) curl_ = libcurl().easy_init();
    if (curl_ == nullptr) throw std::bad_alloc();
  }
  ~Lease() {
    libcurl().easy_reset(curl_);
    const std::lock_guard lock(owner_.mutex_);
    if (owner_.idle_.size() < kIdleConnections)
      owner_.idle_.push_back(curl_);
    else
      libcurl().easy_cleanup(curl_);
  }
  Lease(const Lease&) = delete;
  CURL* get() const { return curl_; }

 private:
  ConnectionPool& owner_;
  CURL* curl_ = nullptr;
};

ConnectionPool::ConnectionPool(const HttpOptions& options) : options_(options) {
  idle_.reserve(kIdleConnections);
}

ConnectionPool::~ConnectionPool() {
  for (void* curl : idle_)
    libcurl().easy_cleanup(curl);
}

const SystemAuthorities& ConnectionPool::authorities() {
  const std::lock_guard lock(mutex_);
  if (!authorities_) authorities_ = system_authorities();
  return *authorities_;
}

HttpAnswer ConnectionPool::perform(const Exchange& exchange) {
  check_interrupted();
  const Lease lease(*this);
  CURL* curl = lease.get();
  Running running{.exchange = exchange};
  const std::string url = exchange.url.string();
  std::array<char, CURL_ERROR_SIZE> message{};
  HeaderList headers;
  for (const std::string& line : exchange.headers)
    headers.add(line);
  if (exchange.settings)
    for (const std::string& line : exchange.settings->headers)
      headers.add(line);
  if (!exchange.authorization.empty()) headers.add("Authorization: " + exchange.authorization);
  headers.add("Expect:");  // asking first costs a second where it is not answered

  set(curl, CURLOPT_URL, url.c_str());
  set(curl, CURLOPT_PATH_AS_IS, 1L);
  set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  set(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(curl, CURLOPT_FOLLOWLOCATION, 0L);
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  set(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(curl, CURLOPT_USERAGENT, "bottle/" BOTTLE_VERSION);
  set(curl, CURLOPT_ERRORBUFFER, message.data());
  set(curl, CURLOPT_BUFFERSIZE, kReceiveBuffer);
  set(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options_.connect_timeout.count()));
  set(curl, CURLOPT_LOW_SPEED_LIMIT, kSlowest);
  set(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options_.idle_timeout.count()));
  if (exchange.with_deadline) set(curl, CURLOPT_TIMEOUT, static_cast<long>(options_.request_timeout.count()));
  // Said in any case, so that libcurl does not read the environment in its own way.
  set(curl, CURLOPT_PROXY, proxy_for(proxies_, exchange.url).value_or("").c_str());
  set(curl, CURLOPT_NOPROXY, "");
  if (exchange.url.scheme == "https")
    set_certificates(curl,
                     find_certificates(options_.certificate_directories, exchange.url,
                                       exchange.settings.get(), authorities()),
                     exchange.settings.get());
  set(curl, CURLOPT_HEADERFUNCTION, &on_header);
  set(curl, CURLOPT_HEADERDATA, &running);
  set(curl, CURLOPT_WRITEFUNCTION, &on_body);
  set(curl, CURLOPT_WRITEDATA, &running);
  set(curl, CURLOPT_NOPROGRESS, 0L);
  set(curl, CURLOPT_XFERINFOFUNCTION, &on_time);
  set(curl, CURLOPT_XFERINFODATA, &running);
  if (exchange.method == "HEAD") {
    set(curl, CURLOPT_NOBODY, 1L);
  } else if (exchange.body != nullptr && exchange.body->size > 0) {
    set(curl, CURLOPT_UPLOAD, 1L);
    set(curl, CURLOPT_UPLOAD_BUFFERSIZE, kSendBuffer);
    set(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(exchange.body->size));
    set(curl, CURLOPT_READFUNCTION, &on_read);
    set(curl, CURLOPT_READDATA, &running);
    set(curl, CURLOPT_SEEKFUNCTION, &on_seek);
    set(curl, CURLOPT_SEEKDATA, &running);
    set(curl, CURLOPT_CUSTOMREQUEST, exchange.method.c_str());
  } else if (exchange.method != "GET") {
    if (exchange.method != "DELETE") {
      set(curl, CURLOPT_POSTFIELDSIZE, 0L);
      set(curl, CURLOPT_POSTFIELDS, "");
    }
    set(curl, CURLOPT_CUSTOMREQUEST, exchange.method.c_str());
    if (std::none_of(exchange.headers.begin(), exchange.headers.end(),
                     [](const std::string& line) { return line.starts_with("Content-Type:"); }))
      headers.add("Content-Type:");  // not a form
  }
  set(curl, CURLOPT_HTTPHEADER, headers.get());

  const CURLcode code = libcurl().easy_perform(curl);
  if (running.failure) std::rethrow_exception(running.failure);
  if (code == CURLE_OK) {
    if (!running.head_complete)
      throw ConnectionError("the response header is incomplete", {.where = running.where()});
    return std::move(running.answer);
  }
  // An answer that came before all was sent, or whose page of explanation is long, is an answer.
  if (running.head_complete && !running.success() &&
      (running.truncated || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR))
    return std::move(running.answer);
  const std::string text = message[0] != '\0' ? message.data() : libcurl().easy_strerror(code);
  const ErrorPlace place{.where = running.where(), .hint = hint_for(code)};
  if (is_worth_another_attempt(code)) throw ConnectionError("the connection failed: " + text, place);
  throw Error("the request failed: " + text, place);
}

}  // namespace bottle::registry
