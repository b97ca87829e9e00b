// SPDX-License-Identifier: Apache-2.0
#include "gate/schema.hpp"

#include <gtest/gtest.h>

#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::gate {
namespace {

std::string check(const char* schema, const char* value) {
  const Json a = Json::parse(schema);
  const Json b = Json::parse(value);
  return failure([&] { check_schema(a, b, "f#"); });
}

TEST(Schema, ValidatesTypes) {
  EXPECT_EQ(check(R"({"type": "string"})", "\"x\""), "no error");
  EXPECT_EQ(check(R"({"type": "string"})", "1"), "f#: expected a string, found 1");
  EXPECT_EQ(check(R"({"type": "integer"})", "1.5"), "f#: expected a whole number, found 1.5");
  EXPECT_EQ(check(R"({"type": "integer"})", "true"), "f#: expected a whole number, found true");
  EXPECT_EQ(check(R"({"type": "number"})", "1.5"), "no error");
  EXPECT_EQ(check(R"({"enum": [1, "a"]})", "1"), "no error");
  EXPECT_EQ(check(R"({"enum": [1, "a"]})", "true"), "f#: expected 1 or \"a\", found true");
}

TEST(Schema, ValidatesObjects) {
  const char* schema = R"({"type": "object", "required": ["name"], "additionalProperties": false,
                           "properties": {"name": {"type": "string"}, "a/b": {"type": "boolean"}}})";
  EXPECT_EQ(check(schema, R"({"name": "x", "a/b": true})"), "no error");
  EXPECT_EQ(check(schema, "{}"), "f#: missing member \"name\"");
  EXPECT_EQ(check(schema, R"({"name": "x", "a/b": 1})"), "f#/a~1b: expected true or false, found 1");
  EXPECT_EQ(check(schema, R"({"name": "x", "nam": 1})"),
            "f#/nam: expected one of the members a/b, name, found an unknown one; did you mean \"name\"?");
}

TEST(Schema, ValidatesStrings) {
  EXPECT_EQ(check(R"({"type": "string", "maxLength": 2})", "\"\u00e4\u00e4\""), "no error");
  EXPECT_EQ(check(R"({"type": "string", "maxLength": 2})", "\"abc\""),
            "f#: expected at most 2 characters, found 3");
  EXPECT_EQ(check(R"({"type": "string", "pattern": "^[a-z]+$"})", "\"abc\""), "no error");
  // A newline at the end does not hide behind '$'.
  EXPECT_NE(check(R"({"type": "string", "pattern": "^[a-z]+$"})", "\"abc\\n\""), "no error");
  EXPECT_NE(check(R"({"type": "string", "pattern": "^[a-z]+$"})", "\"\\nabc\""), "no error");
  EXPECT_NE(check(R"({"type": "string", "pattern": "^[a-z]+$"})", "\"a\\nb\""), "no error");
}

TEST(Schema, ValidatesListsAndAlternatives) {
  const char* schema = R"({"oneOf": [{"$ref": "#/definitions/s"}, {"type": "array", "minItems": 1,
                           "items": {"$ref": "#/definitions/s"}}], "definitions": {"s": {"type": "string", "minLength": 2}}})";
  EXPECT_EQ(check(schema, "\"ab\""), "no error");
  EXPECT_EQ(check(schema, R"(["ab", "cd"])"), "no error");
  EXPECT_EQ(check(schema, R"(["ab", "c"])"), "f#/1: expected at least 2 characters, found 1");
  EXPECT_EQ(check(schema, "[]"), "f#: expected at least 1 items, found 0");
  EXPECT_EQ(check(schema, "1"), "f#: expected a string or an array, found 1");
}

TEST(Schema, UnknownKeywordIsAnError) {
  EXPECT_EQ(check(R"({"format": "uri"})", "1"),
            "the schema uses \"format\", which this tool does not support");
}

// Looks at every part of the gate's own schema, also those that no description here gets to.
TEST(Schema, GateSchemaUsesKnownKeywordsOnly) {
  const std::function<void(const Json&)> visit = [&](const Json& schema) {
    Json alone = schema;
    alone["definitions"] = gate_schema().at("definitions");
    const std::string text = failure([&] { check_schema(alone, nullptr, "f#"); });
    EXPECT_EQ(text.find("does not support"), std::string::npos) << text;
    for (const char* map : {"properties", "definitions"})
      if (schema.contains(map))
        for (const auto& [name, inner] : schema.at(map).items())
          visit(inner);
    for (const char* one : {"items", "additionalProperties"})
      if (schema.contains(one) && schema.at(one).is_object()) visit(schema.at(one));
  };
  for (const auto& [name, inner] : gate_schema().at("definitions").items())
    visit(inner);
  for (const auto& [name, inner] : gate_schema().at("properties").items())
    visit(inner);
  EXPECT_EQ(failure([] { check_schema(gate_schema(), Json::parse(good_description()), "f#"); }), "no error");
}

}  // namespace
}  // namespace bottle::gate
