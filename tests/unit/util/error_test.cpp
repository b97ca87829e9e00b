// SPDX-License-Identifier: Apache-2.0
#include "util/error.hpp"

#include "util/tool_main.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>

namespace bottle {
namespace {

using testing::HasSubstr;
using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

TEST(Error, JoinsItsParts) {
  const Error error("expected a, found b", {.where = "file:3", .hint = "write a"});
  EXPECT_STREQ(error.what(), "file:3: expected a, found b; write a");
  EXPECT_EQ(error.message(), "expected a, found b");
  EXPECT_STREQ(Error("alone").what(), "alone");
}

TEST(Error, NamesTheRemedyOfAFullDisk) {
  try {
    throw_errno("cannot write", "/some/file", ENOSPC);
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "/some/file");
    EXPECT_THAT(error.message(), HasSubstr("No space left on device"));
    EXPECT_THAT(error.hint(), HasSubstr("free space"));
  }
}

TEST(RunTool, MapsExceptionsToExitStatus) {
  CaptureStderr();
  EXPECT_EQ(run_tool("bottle-x", [] { return 3; }), 3);
  EXPECT_EQ(run_tool("bottle-x", []() -> int { throw Error("bad", {.where = "f:1", .hint = "good"}); }),
            kFailed);
  EXPECT_EQ(run_tool("bottle-x", []() -> int { throw UsageError("wrong"); }), kUsage);
  EXPECT_EQ(run_tool("bottle-x", []() -> int { throw Interrupted{15}; }), 128 + 15);
  EXPECT_EQ(run_tool("bottle-x", []() -> int { throw std::runtime_error("odd"); }), kFailed);
  const std::string text = GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("f:1: error: bad\n  hint: good\n"));
  EXPECT_THAT(text, HasSubstr("bottle-x: error: wrong\n"));
  EXPECT_THAT(text, HasSubstr("interrupted by signal 15"));
}

}  // namespace
}  // namespace bottle
