// SPDX-License-Identifier: Apache-2.0
#include "registry/http.hpp"

#include <algorithm>

#include "registry/attempts.hpp"
#include "registry/transfer.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

constexpr int kMaximumRedirects = 5;
constexpr std::uint64_t kMaximumErrorBody = 64u << 10;
// A download that brought so much since it last broke has made progress: its attempts are counted from 0
// again.
constexpr std::uint64_t kProgress = 1u << 20;

Url parse_url(const std::string& text) {
  auto url = Url::parse(text);
  if (!url)
    throw Error("expected an http or https URL without a user and password", {.where = redacted(text)});
  return std::move(*url);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

struct Followed {
  HttpAnswer answer;
  Url url;
};

// Performs the exchange where redirects lead. The Authorization is for the first URL's origin only.
Followed perform_following(ConnectionPool& connections, Exchange exchange) {
  const std::string first = redacted(exchange.url.string());
  for (int hops = 0;; ++hops) {
    HttpAnswer answer = connections.perform(exchange);
    const auto location = answer.headers.find("Location");
    const bool reads = exchange.method == "GET" || exchange.method == "HEAD";
    if (!is_redirect(answer.status) || !location || (!reads && answer.status != 307 && answer.status != 308))
      return {std::move(answer), exchange.url};
    if (hops == kMaximumRedirects)
      throw Error("more than " + std::to_string(kMaximumRedirects) + " redirects", {.where = first});
    const auto target = exchange.url.resolve(*location);
    if (!target)
      throw Error("the registry redirects to \"" + redacted(escape_word(location->substr(0, 200))) + "\"",
                  {.where = first});
    if (exchange.url.scheme == "https" && target->scheme == "http")
      throw Error("the registry redirects from https to " + redacted(target->string()), {.where = first});
    if (!target->same_origin(exchange.url)) {
      exchange.authorization.clear();
      exchange.settings.reset();
    }
    exchange.url = *target;
  }
}

}  // namespace

struct Http::State {
  explicit State(HttpOptions given) : options(std::move(given)), connections(options) {}
  HttpOptions options;
  ConnectionPool connections;
};

Http::Http(HttpOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Http::~Http() = default;
Http::Http(Http&&) noexcept = default;

const HttpOptions& Http::options() const {
  return state_->options;
}

Response Http::request(const Request& request) const {
  Exchange exchange{.method = request.method, .url = parse_url(request.url)};
  exchange.headers = request.headers;
  exchange.authorization = request.authorization;
  exchange.settings = request.settings;
  exchange.body = request.body ? &*request.body : nullptr;
  exchange.may_resend = request.retry;
  exchange.maximum_body = request.maximum_body;
  exchange.with_deadline = !request.body || request.body->size <= (8u << 20);
  Attempts attempts(state_->options.retry);
  for (;;) {
    try {
      Followed done = request.follow ? perform_following(state_->connections, exchange)
                                     : Followed{state_->connections.perform(exchange), exchange.url};
      if (request.retry && is_worth_retrying(done.answer.status) &&
          attempts.again(retry_after(done.answer.headers)))
        continue;
      return {.status = done.answer.status,
              .headers = std::move(done.answer.headers),
              .body = std::move(done.answer.body),
              .url = done.url.string()};
    } catch (const ConnectionError& error) {
      if (!request.retry || !attempts.again()) rethrow_counted(error, attempts.made());
    }
  }
}

namespace {

// A download under way: where it is, and whether what a server says of the rest fits.
class Download {
 public:
  Download(const DownloadSink& sink, const DownloadOptions& options, std::string where)
      : sink_(sink),
        options_(options),
        where_(std::move(where)),
        position_(options.offset),
        begun_(options.offset > 0) {}

  std::vector<std::string> headers() const {
    std::vector<std::string> lines = options_.headers;
    if (position_ == 0) return lines;
    lines.push_back("Range: bytes=" + std::to_string(position_) + "-");
    if (!options_.immutable) lines.push_back("If-Range: " + etag_);
    return lines;
  }

  // Whether the body is the content.
  bool take_head(int status, const Headers& head) {
    skip_ = 0;
    if (status != 200 && status != 206) return false;
    if (status == 206) {
      const auto text = head.find("Content-Range");
      const auto range = text ? parse_content_range(*text) : std::nullopt;
      if (!range || range->first != position_ ||
          (options_.size && range->size && *range->size != *options_.size))
        fail("expected the bytes from " + std::to_string(position_) + " on" + of_size() +
             ", found Content-Range \"" + (text ? escape_word(text->substr(0, 100)) : "") + "\"");
    } else if (position_ > 0) {
      if (!options_.immutable) fail("the content changed while it was downloaded");
      skip_ = position_;  // no ranges here: what has come already comes again
    } else if (const auto tag = head.find("ETag"); tag && tag->starts_with('"')) {
      etag_ = *tag;
    }
    const auto length_text = head.find("Content-Length");
    const auto length = length_text ? parse_unsigned(*length_text) : std::nullopt;
    const std::uint64_t from = status == 206 ? position_ : 0;
    if (length && options_.size && *length != *options_.size - from)
      fail("expected " + std::to_string(*options_.size - from) + " bytes, found Content-Length " +
           std::to_string(*length));
    if (length && *length > options_.maximum - std::min(options_.maximum, from)) fail_too_long();
    return true;
  }

  void take(std::span<const std::byte> data) {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, data.size()));
    skip_ -= skipped;
    data = data.subspan(skipped);
    if (data.empty()) return;
    if (options_.size && data.size() > *options_.size - position_)
      fail("more than the expected " + std::to_string(*options_.size) + " bytes were received");
    if (data.size() > options_.maximum - position_) fail_too_long();
    sink_(data);
    position_ += data.size();
    begun_ = true;
  }

  bool whole() const { return !options_.size || position_ == *options_.size; }
  std::uint64_t position() const { return position_; }
  bool can_continue() const { return !begun_ || options_.immutable || !etag_.empty(); }

  std::string short_by() const {
    return "the connection ended after " + std::to_string(position_) + " of " +
           std::to_string(options_.size.value_or(0)) + " bytes";
  }
  [[noreturn]] void fail(const std::string& message) const { throw Error(message, {.where = where_}); }

 private:
  std::string of_size() const { return options_.size ? " of " + std::to_string(*options_.size) : ""; }
  [[noreturn]] void fail_too_long() const {
    fail("the content is longer than the " + std::to_string(options_.maximum) + " bytes allowed");
  }

  const DownloadSink& sink_;
  const DownloadOptions& options_;
  std::string where_;
  std::uint64_t position_;
  bool begun_;
  std::uint64_t skip_ = 0;
  std::string etag_;
};

}  // namespace

Response Http::download(const std::string& url, const DownloadSink& sink,
                        const DownloadOptions& options) const {
  const Url parsed = parse_url(url);
  Download download(sink, options, redacted(url));
  if (options.offset > 0 && download.whole()) return {.status = 200, .headers = {}, .body = {}, .url = url};
  Attempts attempts(state_->options.retry);
  std::uint64_t last_position = download.position();
  const auto again = [&](std::optional<std::chrono::seconds> wait) {
    if (download.position() - last_position >= kProgress) attempts.progressed();
    last_position = download.position();
    return options.retry && download.can_continue() && attempts.again(wait);
  };
  for (;;) {
    try {
      Exchange exchange{.method = "GET", .url = parsed};
      exchange.headers = download.headers();
      exchange.authorization = options.authorization;
      exchange.settings = options.settings;
      exchange.maximum_body = kMaximumErrorBody;
      exchange.with_deadline = false;
      bool content = false;
      exchange.on_head = [&](int status, const Headers& head) {
        return content = download.take_head(status, head);
      };
      exchange.sink = [&](std::span<const std::byte> data) { download.take(data); };
      Followed done = perform_following(state_->connections, exchange);
      if (content && !download.whole()) throw ConnectionError(download.short_by(), {.where = redacted(url)});
      if (!content && is_worth_retrying(done.answer.status) && again(retry_after(done.answer.headers)))
        continue;
      return {.status = done.answer.status,
              .headers = std::move(done.answer.headers),
              .body = std::move(done.answer.body),
              .url = done.url.string()};
    } catch (const ConnectionError& error) {
      if (!again(std::nullopt)) rethrow_counted(error, attempts.made());
    }
  }
}

}  // namespace bottle::registry
