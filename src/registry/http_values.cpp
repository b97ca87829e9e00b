// SPDX-License-Identifier: Apache-2.0
// What servers say in header fields, and how long to wait before asking again.
#include <time.h>

#include <algorithm>
#include <array>

#include "registry/http_values.hpp"
#include "util/ascii.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

struct FirstLast {
  std::uint64_t first;
  std::uint64_t last;
};

std::optional<FirstLast> parse_first_last(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_unsigned(text.substr(0, dash));
  const auto last = parse_unsigned(text.substr(dash + 1));
  if (!first || !last || *last < *first || *last == UINT64_MAX) return std::nullopt;
  return FirstLast{*first, *last};
}

// The value of a parameter from `at` on: a token or a quoted string. Advances `at`.
std::optional<std::string> parameter_value(std::string_view text, std::size_t& at) {
  std::string value;
  if (at < text.size() && text[at] == '"') {
    for (++at; at < text.size() && text[at] != '"'; ++at) {
      if (text[at] == '\\' && ++at == text.size()) return std::nullopt;
      value += text[at];
    }
    if (at == text.size()) return std::nullopt;
    ++at;
    return value;
  }
  while (at < text.size() && text[at] != ';' && text[at] != ',' && text[at] != ' ')
    value += text[at++];
  return value;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the one form that senders may still use (RFC 9110 section 5.6.7).
std::optional<std::time_t> parse_http_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' ||
      text[16] != ' ' || text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT")
    return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t length) {
    return parse_unsigned(text.substr(at, length));
  };
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  const auto day = number(5, 2), year = number(12, 4), hour = number(17, 2), minute = number(20, 2),
             second = number(23, 2);
  if (month == kMonths.end() || !day || !year || !hour || !minute || !second || *day < 1 || *day > 31 ||
      *year < 1970 || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  struct tm time {};
  time.tm_year = static_cast<int>(*year) - 1900;
  time.tm_mon = static_cast<int>(month - kMonths.begin());
  time.tm_mday = static_cast<int>(*day);
  time.tm_hour = static_cast<int>(*hour);
  time.tm_min = static_cast<int>(*minute);
  time.tm_sec = static_cast<int>(*second);
  return ::timegm(&time);
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (text.size() < kUnit.size() || !equal_caseless(text.substr(0, kUnit.size()), kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto range = parse_first_last(text.substr(0, slash));
  if (!range) return std::nullopt;
  ContentRange result{.first = range->first, .last = range->last, .size = std::nullopt};
  if (const std::string_view size = text.substr(slash + 1); size != "*") {
    result.size = parse_unsigned(size);
    if (!result.size || *result.size <= result.last) return std::nullopt;
  }
  return result;
}

std::optional<std::uint64_t> parse_upload_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes=";
  text = trimmed(text);
  if (text.starts_with(kUnit)) text.remove_prefix(kUnit.size());
  // Before any byte has come registries say "0-0", which is also what one byte would be (or "0--1", as
  // arithmetic has it). Taking it for none costs one byte at most.
  if (text == "0--1" || text == "0-0") return 0;
  const auto range = parse_first_last(text);
  if (!range || range->first != 0) return std::nullopt;
  return range->last + 1;
}

std::optional<std::string> next_link(std::string_view text) {
  std::size_t at = 0;
  const auto skip = [&](std::string_view characters) {
    while (at < text.size() && characters.find(text[at]) != std::string_view::npos)
      ++at;
  };
  for (;;) {
    skip(" \t,");
    if (at == text.size() || text[at] != '<') return std::nullopt;
    const std::size_t end = text.find('>', at);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string target(text.substr(at + 1, end - at - 1));
    at = end + 1;
    bool is_next = false;
    bool relation_seen = false;
    for (;;) {
      skip(" \t");
      if (at == text.size() || text[at] == ',') break;
      if (text[at] != ';') return std::nullopt;
      ++at;
      skip(" \t");
      const std::size_t start = at;
      while (at < text.size() && text[at] != '=' && text[at] != ';' && text[at] != ',')
        ++at;
      const std::string_view name = trimmed(text.substr(start, at - start));
      if (at == text.size() || text[at] != '=') continue;
      ++at;
      skip(" \t");
      const auto value = parameter_value(text, at);
      if (!value) return std::nullopt;
      if (!equal_caseless(name, "rel") || relation_seen) continue;
      relation_seen = true;
      for (const std::string_view relation : split(*value, ' '))
        is_next = is_next || equal_caseless(relation, "next");
    }
    if (is_next) return target.empty() ? std::nullopt : std::optional(target);
  }
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::time_t now) {
  constexpr std::uint64_t kLongest = 100ull * 365 * 24 * 3600;  // far past any policy; keeps sums in range
  text = trimmed(text);
  if (const auto seconds = parse_unsigned(text))
    return std::chrono::seconds(static_cast<std::int64_t>(std::min(*seconds, kLongest)));
  const auto date = parse_http_date(text);
  if (!date) return std::nullopt;
  return std::chrono::seconds(std::max<std::int64_t>(0, static_cast<std::int64_t>(*date) - now));
}

bool is_worth_retrying(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

std::optional<std::chrono::milliseconds> next_wait(const RetryPolicy& policy, unsigned attempt,
                                                   std::chrono::milliseconds waited,
                                                   std::optional<std::chrono::seconds> retry_after,
                                                   double jitter) {
  using std::chrono::milliseconds;
  if (attempt == 0 || attempt >= policy.attempts) return std::nullopt;
  milliseconds wait = policy.first_wait;
  for (unsigned i = 1; i < attempt && wait < policy.longest_wait; ++i)
    wait *= 2;
  wait = std::min(wait, policy.longest_wait);
  // Between a half and the whole of it, so that many clients do not come back together.
  wait = wait / 2 + milliseconds(static_cast<std::int64_t>(static_cast<double>(wait.count()) / 2 * jitter));
  if (retry_after) wait = std::max(wait, std::chrono::duration_cast<milliseconds>(*retry_after));
  if (wait > policy.total || waited > policy.total - wait) return std::nullopt;
  return wait;
}

}  // namespace bottle::registry
