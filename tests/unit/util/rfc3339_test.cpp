// SPDX-License-Identifier: Apache-2.0
#include "util/rfc3339.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "util/error.hpp"

namespace bottle {
namespace {

TEST(Rfc3339, IsInUtc) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(1700000000), "2023-11-14T22:13:20Z");
  EXPECT_EQ(rfc3339(8589934591), "2242-03-16T12:56:31Z");
}

TEST(Rfc3339, RefusesWhatNoCalendarHas) {
  EXPECT_THROW(rfc3339(std::numeric_limits<std::int64_t>::max()), Error);
}

}  // namespace
}  // namespace bottle
