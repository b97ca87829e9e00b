// SPDX-License-Identifier: Apache-2.0
#include "registry/server/target.hpp"

#include "oci/reference.hpp"
#include "util/text.hpp"

#include <algorithm>
#include <limits>

namespace bottle::registry {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

int nibble(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus { literal, blank };

std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = nibble(text[i + 1]);
      const int low = nibble(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high << 4 | low);
      i += 2;
    } else if (c == '+' && plus == Plus::blank) {
      c = ' ';
    }
    // Nothing that a registry is asked for has control characters; they would end up in headers and logs.
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    decoded.push_back(c);
  }
  return decoded;
}

ParsedTarget fault(int status, std::string_view code, std::string message) {
  return {std::nullopt, {status, code, std::move(message)}};
}

ParsedTarget unknown_path() {
  return fault(404, "UNSUPPORTED", "no such path: the API is below /v2/");
}

// The part of the path below /v2/, from its end: a repository may be called "a/blobs" or "tags".
struct Parts {
  ApiEndpoint endpoint;
  std::string_view repository;
  std::string_view reference;
};

std::optional<std::string_view> without_suffix(std::string_view text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return std::nullopt;
  return text.substr(0, text.size() - suffix.size());
}

std::optional<Parts> split_path(std::string_view path) {
  if (const auto name = without_suffix(path, "/tags/list")) return Parts{ApiEndpoint::tags, *name, {}};
  if (const auto name = without_suffix(path, "/blobs/uploads")) return Parts{ApiEndpoint::uploads, *name, {}};
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view reference = path.substr(slash + 1);
  const std::string_view front = path.substr(0, slash);
  if (const auto name = without_suffix(front, "/blobs/uploads"))
    return Parts{reference.empty() ? ApiEndpoint::uploads : ApiEndpoint::upload, *name, reference};
  if (const auto name = without_suffix(front, "/manifests"))
    return Parts{ApiEndpoint::manifest, *name, reference};
  if (const auto name = without_suffix(front, "/blobs")) return Parts{ApiEndpoint::blob, *name, reference};
  if (const auto name = without_suffix(front, "/referrers"))
    return Parts{ApiEndpoint::referrers, *name, reference};
  return std::nullopt;
}

}  // namespace

bool is_session(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !(is_digit(text[i]) || (text[i] >= 'a' && text[i] <= 'f'))) return false;
  }
  return true;
}

std::optional<Query> Query::parse(std::string_view text) {
  Query query;
  if (text.empty()) return query;
  for (const std::string_view part : split(text, '&')) {
    if (part.empty()) continue;
    const std::size_t equals = std::min(part.find('='), part.size());
    auto name = decode(part.substr(0, equals), Plus::blank);
    auto value = decode(part.substr(std::min(equals + 1, part.size())), Plus::blank);
    if (!name || !value) return std::nullopt;
    query.parameters_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

const std::string* Query::find(std::string_view name) const {
  for (const auto& [known, value] : parameters_)
    if (known == name) return &value;
  return nullptr;
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [known, value] : parameters_)
    if (known == name) values.push_back(value);
  return values;
}

RequestTarget split_request_target(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    const auto same = [](char a, char b) {
      return (is_upper(a) ? static_cast<char>(a - 'A' + 'a') : a) == b;
    };
    if (text.size() < scheme.size() ||
        !std::equal(scheme.begin(), scheme.end(), text.begin(), [&](char b, char a) { return same(a, b); }))
      continue;
    const std::string_view rest = text.substr(scheme.size());
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    return {true, rest.substr(0, end), end < rest.size() ? rest.substr(end) : std::string_view("/")};
  }
  return {false, {}, text};
}

ParsedTarget parse_target(std::string_view text) {
  const std::size_t mark = std::min(text.find('?'), text.size());
  const auto path = decode(text.substr(0, mark), Plus::literal);
  auto query = Query::parse(text.substr(std::min(mark + 1, text.size())));
  if (!path || !query)
    return fault(400, "UNSUPPORTED",
                 "invalid request target: it contains an invalid escape or a control character");

  Target target;
  target.query = std::move(*query);
  if (*path == "/v2" || *path == "/v2/") return {std::move(target), {}};
  if (*path == "/token") {
    target.endpoint = ApiEndpoint::token;
    return {std::move(target), {}};
  }
  if (*path == "/v2/_catalog") {
    target.endpoint = ApiEndpoint::catalog;
    return {std::move(target), {}};
  }
  if (!path->starts_with("/v2/")) return unknown_path();
  const auto parts = split_path(std::string_view(*path).substr(4));
  if (!parts) return unknown_path();
  if (!oci::is_repository(parts->repository)) return fault(400, "NAME_INVALID", "invalid repository name");
  target.endpoint = parts->endpoint;
  target.repository = parts->repository;
  target.reference = parts->reference;
  target.digest = oci::ContentDigest::parse(parts->reference);
  const bool needs_digest = parts->endpoint == ApiEndpoint::blob || parts->endpoint == ApiEndpoint::referrers;
  const bool looks_like_digest = target.reference.find(':') != std::string::npos;
  if (!target.digest && (needs_digest || looks_like_digest))
    return fault(400, "DIGEST_INVALID", "expected sha256:<64 hex digits> or sha512:<128 hex digits>");
  return {std::move(target), {}};
}

WantedRange parse_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return {};
  header.remove_prefix(kUnit.size());
  const std::size_t dash = header.find('-');
  // More than one range may be answered with the whole (RFC 9110, 14.2).
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return {};
  const std::string_view first_text = header.substr(0, dash);
  const std::string_view last_text = header.substr(dash + 1);
  const auto first = parse_unsigned(first_text);
  const auto last = parse_unsigned(last_text);
  if ((!first && !first_text.empty()) || (!last && !last_text.empty()) || (!first && !last)) return {};

  const WantedRange unsatisfiable{WantedRange::Kind::unsatisfiable, {}};
  if (!first) {  // the last so many bytes
    if (*last == 0 || size == 0) return unsatisfiable;
    return {WantedRange::Kind::part, {size - std::min(*last, size), size - 1}};
  }
  if (*first >= size || (last && *last < *first)) return unsatisfiable;
  return {WantedRange::Kind::part, {*first, std::min(last.value_or(size - 1), size - 1)}};
}

std::optional<ByteRange> parse_chunk_range(std::string_view header) {
  constexpr std::string_view kUnit = "bytes ";
  if (header.starts_with(kUnit)) {
    header.remove_prefix(kUnit.size());
    const std::size_t slash = header.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const std::string_view total = header.substr(slash + 1);
    if (total != "*" && !parse_unsigned(total)) return std::nullopt;
    header = header.substr(0, slash);
  }
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_unsigned(header.substr(0, dash));
  const auto last = parse_unsigned(header.substr(dash + 1));
  if (!first || !last || *last < *first || *last == std::numeric_limits<std::uint64_t>::max())
    return std::nullopt;
  return ByteRange{*first, *last};
}

std::string escape_query(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    if (is_digit(c) || is_lower(c) || is_upper(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      escaped.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      escaped += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return escaped;
}

}  // namespace bottle::registry
