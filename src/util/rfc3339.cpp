// SPDX-License-Identifier: Apache-2.0
#include "util/rfc3339.hpp"

#include <fmt/format.h>

#include <ctime>

#include "util/error.hpp"

namespace bottle {

std::string rfc3339(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  if (::gmtime_r(&time, &parts) == nullptr) throw Error(fmt::format("the time {} is out of range", seconds));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace bottle
