// SPDX-License-Identifier: Apache-2.0
#include "util/json.hpp"

#include "util/error.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace bottle {
namespace {

std::string failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ParseJson, NamesTheByte) {
  EXPECT_EQ(failure([] { parse_json("{\"a\":}", "file"); }), "file: not valid JSON at byte 6");
  EXPECT_EQ(failure([] { parse_json("", "file"); }), "file: not valid JSON at byte 1");
  EXPECT_NE(failure([] { parse_json("\"\xff\"", "file"); }), "no error");
  EXPECT_NE(failure([] { parse_json("{} x", "file"); }), "no error");
}

TEST(ParseJson, RefusesExcessiveDepthAndSize) {
  EXPECT_EQ(failure([] { parse_json(std::string(100000, '['), "file"); }),
            "file: JSON is nested deeper than 64 levels");
  EXPECT_EQ(failure([] { parse_json("1e999", "file"); }), "file: not valid JSON: a number is too large");
  EXPECT_NO_THROW(parse_json(std::string(64, '[') + std::string(64, ']'), "file"));
}

TEST(JsonView, ErrorsHaveThePointerAndTheValue) {
  const Json json = parse_json(R"({"a/b":{"list":[1,"x",-2]},"null":null,"long":1.5})", "f");
  const JsonView view(json, "f#");
  const auto list = view.at("a/b").at("list").elements();
  EXPECT_EQ(list[0].unsigned_number(), 1u);
  EXPECT_EQ(failure([&] { list[1].unsigned_number(); }),
            "f#/a~1b/list/1: expected a whole number from 0 to 18446744073709551615, found \"x\"");
  EXPECT_EQ(failure([&] { list[0].unsigned_number(0); }),
            "f#/a~1b/list/0: expected a whole number from 0 to 0, found 1");
  EXPECT_NE(failure([&] { list[2].unsigned_number(); }), "no error");
  EXPECT_NE(failure([&] { view.at("long").unsigned_number(); }), "no error");
  EXPECT_EQ(failure([&] { view.at("b"); }), "f#: the member \"b\" is missing");
  EXPECT_EQ(failure([&] { list[1].at("b"); }), "f#/a~1b/list/1: expected an object, found \"x\"");
}

TEST(JsonView, NullIsAbsentForOptionalMembers) {
  const Json json = parse_json(R"({"null":null,"text":"t","flag":true,"texts":["a","b"]})", "f");
  const JsonView view(json, "f#");
  EXPECT_FALSE(view.find("null"));
  EXPECT_FALSE(view.find("absent"));
  EXPECT_EQ(view.string_or("null", "fallback"), "fallback");
  EXPECT_EQ(view.string_or("text", "fallback"), "t");
  EXPECT_TRUE(view.boolean_or("flag", false));
  EXPECT_EQ(view.strings_or_empty("texts"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(view.strings_or_empty("absent").empty());
  EXPECT_NE(failure([&] { view.strings_or_empty("text"); }), "no error");
}

}  // namespace
}  // namespace bottle
