// SPDX-License-Identifier: Apache-2.0
// Access control. Pages of other origins in a browser are refused (registry/server/hosts.hpp). With a token
// every request needs it: as a bearer token, as the password of Basic authentication, or in exchange for
// itself from the token endpoint that the challenge names, so that every client can be told it as a password.
// Source: RFC 6750, RFC 7617; Docker "Token authentication specification".
#include "registry/server/service.hpp"

#include "util/json.hpp"
#include "util/text.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <vector>

namespace bottle::registry {
namespace {

constexpr std::size_t kMaximumAuthorization = 8192;

bool is_same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// What follows "<scheme> ", in whatever case the scheme is written.
std::optional<std::string_view> credentials(std::string_view header, std::string_view scheme) {
  if (header.size() <= scheme.size() || header[scheme.size()] != ' ') return std::nullopt;
  for (std::size_t i = 0; i < scheme.size(); ++i)
    if ((header[i] | 0x20) != scheme[i]) return std::nullopt;
  header.remove_prefix(scheme.size());
  while (!header.empty() && header.front() == ' ')
    header.remove_prefix(1);
  return header;
}

std::optional<std::string> password_of(std::string_view basic) {
  if (basic.size() > kMaximumAuthorization || basic.size() % 4 != 0 || basic.empty()) return std::nullopt;
  std::vector<unsigned char> decoded(basic.size());
  const int length = EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(basic.data()),
                                     static_cast<int>(basic.size()));
  if (length < 0) return std::nullopt;
  // The padding is decoded as zero bytes.
  auto size = static_cast<std::size_t>(length);
  for (std::size_t i = basic.size(); i > 0 && basic[i - 1] == '=' && size > 0; --i)
    --size;
  const std::string text(decoded.begin(), decoded.begin() + static_cast<std::ptrdiff_t>(size));
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return std::nullopt;
  return text.substr(colon + 1);
}

std::string challenge(const ServerRequest& request) {
  const std::string host = is_host_field(request.host) ? "http://" + request.host : std::string();
  std::string text = "Bearer realm=\"" + host + "/token\",service=\"bottle-registry\"";
  if (!request.target.repository.empty()) {
    const bool reads = request.method == Method::get || request.method == Method::head;
    text += ",scope=\"repository:" + request.target.repository +
            (reads                              ? ":pull\""
             : request.method == Method::remove ? ":delete\""
                                                : ":pull,push\"");
  }
  return text;
}

}  // namespace

std::optional<Reply> Service::refuse_foreign_page(const ServerRequest& request) const {
  if (!request.host.empty() && !access_.hosts.allows_host(request.host))
    return error_reply(421, "DENIED",
                       "unknown host \"" + escape_word(request.host.substr(0, 255)) +
                           "\": use the address that the registry listens on, or start it with --allow-host");
  if (!request.origin.empty() && !access_.hosts.allows_origin(request.origin, request.host))
    return error_reply(403, "DENIED",
                       "requests from web pages of \"" + escape_word(request.origin.substr(0, 255)) +
                           "\" are not allowed (Origin)");
  return std::nullopt;
}

std::optional<Reply> Service::refuse_stranger(const ServerRequest& request) const {
  if (access_.token.empty()) return std::nullopt;
  if (const auto bearer = credentials(request.authorization, "bearer"))
    if (is_same(*bearer, access_.token)) return std::nullopt;
  if (const auto basic = credentials(request.authorization, "basic"))
    if (const auto password = password_of(*basic); password && is_same(*password, access_.token))
      return std::nullopt;
  Reply reply = error_reply(401, "UNAUTHORIZED", "authentication required");
  reply.with("WWW-Authenticate", challenge(request));
  return reply;
}

Reply Service::token_reply(const ServerRequest& request) const {
  if (request.method != Method::get && request.method != Method::head) return method_not_allowed("GET, HEAD");
  if (!access_.token.empty()) {
    const auto basic = credentials(request.authorization, "basic");
    const auto password = basic ? password_of(*basic) : std::nullopt;
    if (!password || !is_same(*password, access_.token)) {
      Reply reply = error_reply(401, "UNAUTHORIZED", "the password is not this registry's token");
      reply.with("WWW-Authenticate", "Basic realm=\"bottle-registry\"");
      return reply;
    }
  }
  const std::string token = access_.token.empty() ? "anonymous" : access_.token;
  Reply reply =
      json_reply(OrderedJson{{"token", token}, {"access_token", token}, {"expires_in", 3600}}.dump() + "\n");
  reply.with("Cache-Control", "no-store");
  return reply;
}

}  // namespace bottle::registry
