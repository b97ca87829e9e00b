// SPDX-License-Identifier: Apache-2.0
#include "gate/template.hpp"

#include <gtest/gtest.h>

#include "testing.hpp"
#include "util/error.hpp"
#include "util/shell_quote.hpp"

namespace bottle::gate {
namespace {

Scope scope() {
  Scope scope;
  scope.values = {{"name", "it's"}, {"empty", ""}};
  scope.flags = {{"yes", true}, {"no", false}};
  scope.lists["items"] = {{.values = {{"name", "one"}, {"value", "$(1)"}}},
                          {.values = {{"name", "two"}, {"value", "\n"}}}};
  scope.lists["none"] = {};
  scope.item_values = {{"none", {"thing"}}};
  return scope;
}

std::string rendered(const std::string& text, Values values = Values::real) {
  std::set<std::string> used;
  return render_template(text, "t", scope(), values, used);
}

std::string refusal(const std::string& text) {
  return failure([&] { rendered(text); });
}

TEST(ShellQuote, AnyTextIsOneWord) {
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote("$(x) `y` \"z\"\n;"), "'$(x) `y` \"z\"\n;'");
  EXPECT_THROW(shell_quote(std::string("a\0b", 3)), Error);
}

TEST(Template, ValuesAreQuoted) {
  EXPECT_EQ(rendered("a={{name}}\nb={{ empty }}\n"), "a='it'\\''s'\nb=''\n");
  EXPECT_EQ(rendered("a={{name}}\n", Values::marked), std::string("a=") + kMarkedWord + "\n");
}

// What is left out leaves an empty line.
TEST(Template, SectionsAreRendered) {
  EXPECT_EQ(rendered("{{#items}}\nf {{name}} {{value}}\n{{/items}}\n"), "f 'one' '$(1)'\nf 'two' '\n'\n");
  EXPECT_EQ(rendered("{{#yes}}\na\n{{/yes}}\n{{^yes}}\nb\n{{/yes}}\n{{^no}}\nc\n{{/no}}\n"), "a\n\nc\n");
  EXPECT_EQ(rendered("{{#none}}\nf {{thing}} {{name}}\n{{/none}}\n{{^none}}\nnone\n{{/none}}\n"), "\nnone\n");
  EXPECT_EQ(rendered("a{{! what }}b\n"), "ab\n");
}

TEST(Template, UsedNamesAreRecorded) {
  std::set<std::string> used;
  render_template("{{name}} {{#none}}{{thing}}{{/none}} {{#no}}{{empty}}{{/no}}", "t", scope(), Values::real,
                  used);
  EXPECT_EQ(used, (std::set<std::string>{"name", "none", "thing", "no", "empty"}));
}

TEST(Template, UnknownNamesAreErrors) {
  EXPECT_NE(refusal("\n\n{{nam}}").find("t:3: expected"), std::string::npos);
  EXPECT_NE(refusal("{{nam}}").find("did you mean {{name}}?"), std::string::npos);
  EXPECT_NE(refusal("{{value}}").find("known names are"), std::string::npos);  // only inside of items
  EXPECT_NE(refusal("{{#unknown}}{{/unknown}}").find("\"unknown\""), std::string::npos);
  EXPECT_NE(refusal("{{items}}").find("\"items\""), std::string::npos);
  EXPECT_NE(refusal("{{#name}}{{/name}}").find("\"name\""), std::string::npos);
}

TEST(Template, UnquotedFormsAreErrors) {
  EXPECT_NE(refusal("a={{{name}}}").find("the unescaped form {{{...}}}"), std::string::npos);
  EXPECT_NE(refusal("a={{&name}}").find("the unescaped form {{&...}}"), std::string::npos);
  EXPECT_NE(refusal("a={{ & name}}").find("the unescaped form {{&...}}"), std::string::npos);
  EXPECT_NE(refusal("{{>name}}").find("a partial"), std::string::npos);
  EXPECT_NE(refusal("{{=<% %>=}}<%& name %>").find("delimiters"), std::string::npos);
  EXPECT_NE(refusal("{{name").find("without \"}}\""), std::string::npos);
  EXPECT_NE(refusal("{{}}").find("an empty tag"), std::string::npos);
  EXPECT_NE(refusal("{{#yes}}").find("which is not closed"), std::string::npos);
  EXPECT_NE(refusal("{{/yes}}").find("not open"), std::string::npos);
  EXPECT_NE(refusal("{{#yes}}{{#no}}{{/yes}}{{/no}}").find("not open"), std::string::npos);
}

// A value is never looked at again: what looks like a tag in it stays as it is.
TEST(Template, ValuesAreNotRendered) {
  Scope values;
  values.values = {{"a", "{{{b}}}"}, {"b", "x"}};
  std::set<std::string> used;
  EXPECT_EQ(render_template("v={{a}}\n", "t", values, Values::real, used), "v='{{{b}}}'\n");
}

}  // namespace
}  // namespace bottle::gate
