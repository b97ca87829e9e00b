// SPDX-License-Identifier: Apache-2.0
#include "image/model/run_settings.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "dockerfile/run_flags.hpp"
#include "util/error.hpp"
#include "util/text.hpp"

namespace bottle::image {
inline namespace model {
namespace {

// Sorted. Source: setrlimit(2), without the prefix RLIMIT_.
constexpr std::array<std::string_view, 15> kLimits{"core",    "cpu",      "data",   "fsize",      "locks",
                                                   "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                                   "rss",     "rtprio",   "rttime", "sigpending", "stack"};

std::int64_t limit_value(std::string_view text, const std::string& whole, const std::string& place) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end != text.data() + text.size() || error != std::errc() || value < -1)
    throw UsageError(
        "invalid limit \"" + whole + "\"",
        {.where = place, .hint = "write NAME=SOFT[:HARD] with numbers from 0, or -1 for no limit"});
  return value;
}

}  // namespace

void RunSettings::set_shm_size(const std::string& text, const std::string& place) {
  shm_size = kDefaultShmSize;
  if (text.empty()) return;
  try {
    if (const std::int64_t size = dockerfile::size_in_bytes("the size of /dev/shm", text); size > 0)
      shm_size = static_cast<std::uint64_t>(size);
  } catch (const dockerfile::FieldError& error) {
    throw UsageError(error.message(), {.where = place, .hint = error.hint()});
  }
}

void RunSettings::add_limit(const std::string& text, const std::string& place) {
  const std::size_t equals = text.find('=');
  ResourceLimit limit{.name = text.substr(0, equals)};
  if (equals == std::string::npos)
    throw UsageError("expected NAME=SOFT[:HARD], found \"" + text + "\"", {.where = place});
  if (!std::binary_search(kLimits.begin(), kLimits.end(), limit.name)) {
    const auto near = nearest(limit.name, std::vector<std::string>(kLimits.begin(), kLimits.end()));
    throw UsageError("unknown limit \"" + limit.name + "\"",
                     {.where = place, .hint = near ? "did you mean \"" + *near + "\"?" : ""});
  }
  const std::string values = text.substr(equals + 1);
  const std::size_t colon = values.find(':');
  limit.soft = limit_value(std::string_view(values).substr(0, colon), text, place);
  limit.hard = colon == std::string::npos
                   ? limit.soft
                   : limit_value(std::string_view(values).substr(colon + 1), text, place);
  if (limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard))
    throw UsageError("the soft limit of \"" + text + "\" is above the hard limit", {.where = place});
  // Of two with one name the later one counts.
  std::erase_if(limits, [&](const ResourceLimit& other) { return other.name == limit.name; });
  limits.push_back(std::move(limit));
  std::sort(limits.begin(), limits.end(),
            [](const ResourceLimit& a, const ResourceLimit& b) { return a.name < b.name; });
}

void RunSettings::add_host(const std::string& text, const std::string& place) {
  const std::size_t separator = text.find_first_of("=:");
  if (separator == std::string::npos || separator == 0)
    throw UsageError("expected NAME:ADDRESS, found \"" + text + "\"", {.where = place});
  HostEntry host{.name = text.substr(0, separator), .address = text.substr(separator + 1)};
  std::string& address = host.address;
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  const bool is_name = std::all_of(host.name.begin(), host.name.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '#' && c != '\x7f';
  });
  if (!is_name) throw UsageError("invalid host name in \"" + escape_word(text) + "\"", {.where = place});
  std::array<unsigned char, sizeof(in6_addr)> binary{};
  if (inet_pton(AF_INET, address.c_str(), binary.data()) != 1 &&
      inet_pton(AF_INET6, address.c_str(), binary.data()) != 1)
    throw UsageError(
        "invalid address \"" + escape_word(address) + "\" of the host \"" + host.name + "\"",
        {.where = place,
         .hint = address == "host-gateway" ? "use 127.0.0.1: RUN shares the network of this machine"
                                           : "write an IPv4 or IPv6 address"});
  hosts.push_back(std::move(host));
}

std::vector<std::string> RunSettings::options() const {
  std::vector<std::string> result;
  if (shm_size != kDefaultShmSize) result.push_back("--shm-size=" + std::to_string(shm_size));
  for (const ResourceLimit& limit : limits)
    result.push_back("--ulimit=" + limit.name + "=" + std::to_string(limit.soft) + ":" +
                     std::to_string(limit.hard));
  for (const HostEntry& host : hosts)
    result.push_back("--add-host=" + host.name + ":" + host.address);
  return result;
}

}  // namespace model
}  // namespace bottle::image
