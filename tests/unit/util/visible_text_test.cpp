// SPDX-License-Identifier: Apache-2.0
#include "util/visible_text.hpp"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <functional>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/tool_main.hpp"

namespace bottle {
namespace {

TEST(VisibleText, KeepsTextLinesAndTabs) {
  for (const char* text : {"", "plain\ttext\n", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
                           "\xc2\xa0\xed\x9f\xbf\xf4\x8f\xbf\xbf", "\\x1b"})
    EXPECT_EQ(visible(text), text);
}

TEST(VisibleText, ControlCharactersAreShown) {
  EXPECT_EQ(visible("\x1b[2J\x1b]0;title\x07"), "\\x1b[2J\\x1b]0;title\\x07");
  EXPECT_EQ(visible("good\rbad\b\x7f"), "good\\x0dbad\\x08\\x7f");
  EXPECT_EQ(visible(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(visible("\xc2\x9b"
                    "31m \x9b"
                    "31m"),
            "\\u009b31m \\x9b31m");
  EXPECT_EQ(visible("\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\xe2\x80\x8f\xe2\x80\xa8"),
            "\\u202e\\u2066\\u061c\\u200f\\u2028");
}

TEST(VisibleText, CharactersThatHideTextAreShown) {
  EXPECT_EQ(visible("a\xe2\x80\x8b"
                    "b\xef\xbb\xbf"
                    "c\xc2\xad"
                    "d\xe2\x81\xa0"),
            "a\\u200bb\\ufeffc\\u00add\\u2060");
  EXPECT_EQ(visible("\xf3\xa0\x81\x81\xe3\x85\xa4"), "\\U000e0041\\u3164");  // a tag, a filler
  EXPECT_EQ(visible("a\xe2\x80\x8d"
                    "b\xef\xb8\x8f"),
            "a\\u200db\\ufe0f");
  EXPECT_EQ(visible("\xe2\x80\x8d"), "\\u200d");
  // A heart in red, a family, and Persian with a joiner that separates.
  for (const char* text : {"\xe2\x9d\xa4\xef\xb8\x8f", "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9",
                           "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae"})
    EXPECT_EQ(visible(text), text);
}

TEST(VisibleText, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(visible("\xff\xc0\x9b"), "\\xff\\xc0\\x9b");           // 0xc0: a longer form than needed
  EXPECT_EQ(visible("\xe0\x82\x9b"), "\\xe0\\x82\\x9b");           // the same in three bytes
  EXPECT_EQ(visible("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(visible("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(visible("\xe2\x82z\xe2\x82"), "\\xe2\\x82z\\xe2\\x82");
}

TEST(VisibleText, FindsCharactersAcrossPieces) {
  const std::string text =
      "\xe2\x82\xac \xe2\x80\xae \x1b[1m \xff \xe2\x9d\xa4\xef\xb8\x8f\xe2\x80\x8d "
      "\xe2\x80\x8d\xf0\x9f\x98\x80\xe2";
  VisibleText stream;
  std::string out;
  for (const char c : text)
    out += stream.add(std::string_view(&c, 1));
  EXPECT_EQ(out + stream.finish(), visible(text));
}

// What run_tool() and the body write to standard error.
struct Outcome {
  int status = 0;
  std::string text;
};
Outcome outcome_of(const std::function<int()>& body) {
  ::testing::internal::CaptureStderr();
  const int status = run_tool("bottle-test", body);
  return {status, ::testing::internal::GetCapturedStderr()};
}

TEST(RunTool, FiltersStandardError) {
  const Outcome found = outcome_of([]() -> int {
    std::fputs("one\x1b[2J\n", stderr);
    std::cerr << "two" << '\x1b' << "\n";
    throw Error("found \"\x1b]0;x\x07\"", {.where = "a\x1b", .hint = "h\x9b"});
  });
  EXPECT_EQ(found.status, 1);
  EXPECT_EQ(found.text, "one\\x1b[2J\ntwo\\x1b\na\\x1b: error: found \"\\x1b]0;x\\x07\"\n  hint: h\\x9b\n");
}

TEST(RunTool, WritesBytesToAPipe) {
  ::testing::internal::CaptureStdout();
  run_tool("bottle-test", [] {
    std::fputs("\x1b\xff", stdout);
    std::cout << "\x9b";
    return 0;
  });
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "\x1b\xff\x9b");
}

TEST(RunTool, FiltersStandardOutputOfATerminal) {
  int master = -1;
  int slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const Fd near(master);
  std::fflush(stdout);
  const Fd before(::dup(STDOUT_FILENO));
  ASSERT_EQ(::dup2(slave, STDOUT_FILENO), STDOUT_FILENO);
  run_tool("bottle-test", [] {
    std::fputs("\x1b[2J", stdout);
    std::cout << "\xe2\x82\xac\x9b\n";
    return 0;
  });
  ASSERT_EQ(::dup2(before.get(), STDOUT_FILENO), STDOUT_FILENO);
  ::close(slave);
  std::array<std::byte, 256> data{};
  const ssize_t size = ::read(near.get(), data.data(), data.size());
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(data.data()), static_cast<std::size_t>(size)),
            "\\x1b[2J\xe2\x82\xac\\x9b\r\n");
}

TEST(RunTool, OutOfMemoryIsReported) {
  for (const std::function<int()>& body : std::vector<std::function<int()>>{
           []() -> int { throw std::bad_alloc(); },
           []() -> int {
             throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
           }}) {
    const Outcome found = outcome_of(body);
    EXPECT_EQ(found.status, 1);
    EXPECT_EQ(found.text.substr(0, 34), "bottle-test: error: out of memory\n");
  }
  const Outcome large = outcome_of([]() -> int { throw std::length_error("basic_string::_M_create"); });
  EXPECT_EQ(large.status, 1);
  EXPECT_EQ(large.text, "bottle-test: error: a size in the input exceeds the address space\n");
}

TEST(RunToolDeathTest, OutOfMemoryInNoexceptIsReported) {
  const auto fail = [] {
    run_tool("bottle-test", []() -> int {
      const std::function<void()> allocate = [] { throw std::bad_alloc(); };
      [&]() noexcept { allocate(); }();
      return 0;
    });
  };
  EXPECT_EXIT(fail(), ::testing::ExitedWithCode(1), "bottle-test: error: out of memory");
}

}  // namespace
}  // namespace bottle
