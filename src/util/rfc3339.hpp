// SPDX-License-Identifier: Apache-2.0
// Times as documents of images have them.
#pragma once

#include <cstdint>
#include <string>

namespace bottle {

// Of seconds since 1970, in UTC: "2023-11-14T22:13:20Z" (RFC 3339). Throws if no calendar has such a year.
std::string rfc3339(std::int64_t seconds);

}  // namespace bottle
