// SPDX-License-Identifier: Apache-2.0
// Requests and replies without HTTP's framing, so that what the registry does can be tested without a socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/server/target.hpp"
#include "util/file.hpp"

namespace bottle::registry {

enum class Method { get, head, post, put, patch, remove, other };
Method parse_method(std::string_view name);

// The headers of a request that anything depends on. Absent ones are empty.
struct ServerRequest {
  Method method = Method::get;
  Target target;
  std::optional<std::uint64_t> content_length;
  std::string content_type;  // without parameters, in lower case
  std::string content_range;
  std::string range;
  std::string if_range;
  std::string if_match;
  std::string if_none_match;
  std::string authorization;
  // The host that the request is for: of the target if that is a URL, else the header. "" for HTTP/1.0
  // without.
  std::string host;
  std::string origin;
};

struct Reply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // In place of `body`: a part of a file, sent without copying it through this process.
  Fd file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  Reply& with(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
};

// {"errors":[{"code":...,"message":...}]} (distribution-spec 1.1, "Error Codes").
Reply error_reply(int status, std::string_view code, std::string_view message);
Reply json_reply(std::string body, std::string_view type = "application/json");

// Thrown to refuse a request; not an Error of the server's own.
class Refusal : public std::exception {
 public:
  explicit Refusal(Reply reply) : reply_(std::make_shared<Reply>(std::move(reply))) {}
  Refusal(int status, std::string_view code, std::string_view message)
      : Refusal(error_reply(status, code, message)) {}
  const char* what() const noexcept override { return "the request was refused"; }
  Reply& reply() const { return *reply_; }

 private:
  std::shared_ptr<Reply> reply_;  // an exception must be copyable
};

// The rest of a request whose answer needs its body, or time. write() is called with the body as it comes and
// must not wait for anything but the disk's cache; finish() may take long and is called once, from another
// thread. Both may throw a Refusal or an Error. Destroyed without finish() when the client has gone.
class Work {
 public:
  virtual ~Work() = default;
  virtual void write(std::span<const std::byte> data) = 0;
  virtual Reply finish() = 0;
};

// One of both.
struct Answer {
  std::optional<Reply> reply;
  std::unique_ptr<Work> work;

  Answer(Reply at_once) : reply(std::move(at_once)) {}             // NOLINT(google-explicit-constructor)
  Answer(std::unique_ptr<Work> later) : work(std::move(later)) {}  // NOLINT(google-explicit-constructor)
};

// Work that takes no body: `finish` is a function that returns a Reply.
template <typename Function>
std::unique_ptr<Work> later(Function function) {
  class Later : public Work {
   public:
    explicit Later(Function work) : work_(std::move(work)) {}
    void write(std::span<const std::byte>) override {}
    Reply finish() override { return work_(); }

   private:
    Function work_;
  };
  return std::make_unique<Later>(std::move(function));
}

// The answer to If-None-Match and If-Match: whether one of the entity tags in the header (a list, or "*") is
// the digest's. Weak ones count.
bool matches_entity_tag(std::string_view header, std::string_view digest);

}  // namespace bottle::registry
