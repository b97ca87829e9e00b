// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dockerfile/ast.hpp"

namespace bottle::dockerfile {
namespace {

using Words = std::vector<std::string>;

std::string error_of(std::string_view text) {
  try {
    parse_syntax(text);
  } catch (const SourceError& error) {
    return error.what();
  }
  return "";
}

TEST(Parser, JoinsContinuedLinesAcrossComments) {
  const SyntaxTree tree =
      parse_syntax("FROM a\nRUN one \\\n  # no part of it\n  two \\ \n\n three\nUSER u\n");
  ASSERT_EQ(tree.nodes.size(), 3u);
  EXPECT_EQ(tree.nodes[1].text, "RUN one   two  three");
  EXPECT_EQ(tree.nodes[1].lines, (LineRange{2, 6}));
  EXPECT_EQ(tree.nodes[2].lines, (LineRange{7, 7}));
  EXPECT_EQ(tree.empty_continuations, std::vector<int>{6});
}

TEST(Parser, AnEscapedEscapeContinuesNothing) {
  const SyntaxTree tree = parse_syntax("RUN a\\\\\nRUN b");
  ASSERT_EQ(tree.nodes.size(), 2u);
  EXPECT_EQ(tree.nodes[0].text, "RUN a\\\\");
}

TEST(Parser, KnowsPlacesInContinuedLines) {
  const SyntaxTree tree = parse_syntax("FROM a\n  COPY \\\n --chown=x \\\n\t--from=b c d\n");
  const Node& node = tree.nodes[1];
  EXPECT_EQ(node.position(), (Position{2, 3}));
  ASSERT_EQ(node.flags.size(), 2u);
  EXPECT_EQ(node.flags[0].position, (Position{3, 2}));
  EXPECT_EQ(node.flags[1].position, (Position{4, 2}));
  EXPECT_EQ(node.position_at(node.arguments_offset), (Position{4, 11}));
}

TEST(Parser, ReadsDirectives) {
  const Directives directives = read_directives(R"(# syntax = docker/dockerfile:1 x
#Check=skip=all
# escape=`
FROM a
# syntax=b)");
  EXPECT_EQ(directives.syntax->value, "docker/dockerfile:1");
  EXPECT_EQ(directives.check->value, "skip=all");
  EXPECT_EQ(directives.escape_character, '`');
  EXPECT_EQ(directives.escape->line, 3);
}

TEST(Parser, DirectivesEndAtTheFirstOtherLine) {
  EXPECT_FALSE(read_directives("\n# syntax=a").syntax);
  EXPECT_FALSE(read_directives("# hello\n# escape=`").escape);
  EXPECT_TRUE(read_directives("#!/bin/x\n# syntax=a").syntax);
  EXPECT_EQ(read_directives("#!/bin/x\n# escape=`").escape_character, '\\');
  EXPECT_NE(error_of("# syntax=a\n# syntax=b\nFROM c").find("Dockerfile:2:1: only one syntax"),
            std::string::npos);
  EXPECT_NE(error_of("# escape=x\nFROM c").find("invalid escape character 'x'"), std::string::npos);
}

TEST(Parser, TheEscapeCanBeABacktick) {
  const SyntaxTree tree = parse_syntax(R"(# escape=`
FROM a
COPY a `
 c:\
RUN b)");
  ASSERT_EQ(tree.nodes.size(), 3u);
  EXPECT_EQ(tree.nodes[1].arguments, "a  c:\\");
}

TEST(Parser, KeepsCommentsAboveInstructions) {
  const SyntaxTree tree = parse_syntax(R"(# escape=\
# dropped
#
# a first

# b second
FROM x
RUN y)");
  EXPECT_EQ(tree.nodes[0].comments, (Words{"a first", "b second"}));
  EXPECT_TRUE(tree.nodes[1].comments.empty());
}

TEST(Parser, ReadsHeredocs) {
  const SyntaxTree tree = parse_syntax(
      "RUN <<A cat <<-'B' && x\none\nA\n\ttwo\n\t\tB\nCOPY <<\"c d\" /e\nthree\nc d\nCMD <<no\n");
  ASSERT_EQ(tree.nodes.size(), 3u);
  const auto& heredocs = tree.nodes[0].heredocs;
  ASSERT_EQ(heredocs.size(), 2u);
  EXPECT_EQ(heredocs[0].content, "one\n");
  EXPECT_TRUE(heredocs[0].expand);
  EXPECT_EQ(heredocs[1].name, "B");
  EXPECT_EQ(heredocs[1].content, "\ttwo\n");
  EXPECT_TRUE(heredocs[1].strip_tabs);
  EXPECT_FALSE(heredocs[1].expand);
  EXPECT_EQ(tree.nodes[0].lines, (LineRange{1, 5}));
  ASSERT_EQ(tree.nodes[1].heredocs.size(), 1u);
  EXPECT_EQ(tree.nodes[1].heredocs[0].name, "c d");
  EXPECT_TRUE(tree.nodes[2].heredocs.empty());
}

TEST(Parser, QuotedMarkersAndShiftsAreNoHeredocs) {
  EXPECT_TRUE(parse_syntax("RUN echo '<<EOF'").nodes[0].heredocs.empty());
  EXPECT_TRUE(parse_syntax("RUN [\"a\", \"<<EOF\"]").nodes[0].heredocs.empty());
  EXPECT_TRUE(parse_syntax("RUN cat <<<word").nodes[0].heredocs.empty());
  EXPECT_EQ(parse_syntax("ONBUILD RUN <<X\na\nX\n").nodes[0].heredocs.size(), 1u);
}

TEST(Parser, TellsJsonFromShellForm) {
  const SyntaxTree tree = parse_syntax(
      "CMD [ \"a\", \"b\\u00e4\" ]\nCMD [ -f x ] && y\nCMD ['a']\nHEALTHCHECK CMD [\"x\"]\nUSER [\"a\"]");
  EXPECT_EQ(tree.nodes[0].json, (Words{"a", "b\xC3\xA4"}));
  EXPECT_FALSE(tree.nodes[1].json);
  EXPECT_FALSE(tree.nodes[2].json);
  EXPECT_EQ(tree.nodes[3].json, Words{"x"});
  EXPECT_FALSE(tree.nodes[4].json);
  EXPECT_NE(error_of("CMD [\"a\", 1]").find("not a string"), std::string::npos);
}

TEST(Parser, FlagsEndAtTwoHyphens) {
  const SyntaxTree tree = parse_syntax("RUN --mount='type=cache, target=/x' -- --y\n");
  ASSERT_EQ(tree.nodes[0].flags.size(), 1u);
  EXPECT_EQ(tree.nodes[0].flags[0].text, "--mount=type=cache, target=/x");
  EXPECT_EQ(tree.nodes[0].arguments, "--y");
}

TEST(Parser, TakesBomAndCarriageReturns) {
  const SyntaxTree tree = parse_syntax("\xEF\xBB\xBF# escape=`\r\nFROM a\r\nRUN b `\r\n c\r\n");
  ASSERT_EQ(tree.nodes.size(), 2u);
  EXPECT_EQ(tree.directives.escape_character, '`');
  EXPECT_EQ(tree.nodes[1].text, "RUN b  c");
}

TEST(Parser, ErrorsShowThePlace) {
  EXPECT_EQ(error_of("FROM a\n\tRUN x <<EOF\n"),
            "Dockerfile:2:8: unterminated heredoc: expected a line \"EOF\"; end the heredoc with a line that "
            "holds EOF only\n    2 | \tRUN x <<EOF\n      | \t      ^");
  try {
    parse_syntax("FROM a\nRUN x <<EOF");
    FAIL();
  } catch (const SourceError& error) {
    EXPECT_EQ(error.message(), error.summary() + "\n    2 | RUN x <<EOF\n      |       ^");
  }
  EXPECT_NE(error_of("# nothing\n\n").find("no instructions"), std::string::npos);
}

}  // namespace
}  // namespace bottle::dockerfile
