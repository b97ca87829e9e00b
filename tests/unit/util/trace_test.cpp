// SPDX-License-Identifier: Apache-2.0
#include "util/trace.hpp"

#include "util/error.hpp"
#include "util/file.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace bottle {
namespace {

TEST(Trace, AppendsALineForEachStep) {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / "trace";
  ::unsetenv("BOTTLE_TRACE");
  trace_step("bottle-image", "hello", "image", "built");
  ::setenv("BOTTLE_TRACE", file.c_str(), 1);
  trace_step("bottle-image", "hello", "image", "built");
  trace_step("bottle-image", "hello", "instruction", "stored", {{"line", "3"}, {"text", "a \"b\"\n\xff"}});
  ::unsetenv("BOTTLE_TRACE");
  EXPECT_EQ(read_file(file),
            "{\"tool\":\"bottle-image\",\"slug\":\"hello\",\"step\":\"image\",\"outcome\":\"built\"}\n"
            "{\"tool\":\"bottle-image\",\"slug\":\"hello\",\"step\":\"instruction\",\"outcome\":\"stored\","
            "\"line\":\"3\","
            "\"text\":\"a \\\"b\\\"\\n\xef\xbf\xbd\"}\n");
}

TEST(Trace, AnUnwritableFileIsAnError) {
  ::setenv("BOTTLE_TRACE", "/nonexistent/trace", 1);
  EXPECT_THROW(trace_step("t", "s", "image", "built"), Error);
  ::unsetenv("BOTTLE_TRACE");
}

}  // namespace
}  // namespace bottle
