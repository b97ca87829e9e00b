// SPDX-License-Identifier: Apache-2.0
#include "util/command_line.hpp"

#include "util/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <vector>

namespace bottle {
namespace {

using testing::HasSubstr;

struct Outcome {
  std::optional<int> status;
  CommonOptions common;
  std::string size;
  bool gc = false;
  std::string error;
  std::string hint;
};

Outcome parse(std::vector<const char*> arguments, bool subcommands = true) {
  Outcome outcome;
  CommandLine app("About.", "bottle-x");
  app.add_common_options(outcome.common);
  std::string store;
  app.add_option("--store", store, "store");
  Subcommand gc;
  if (subcommands) {
    app.require_subcommand();
    app.add_subcommand("stats", "stats");
    gc = app.add_subcommand("gc", "gc");
    gc.add_option("--max-size", outcome.size, "size");
  }
  arguments.insert(arguments.begin(), "bottle-x");
  try {
    outcome.status = app.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const UsageError& error) {
    outcome.error = error.message();
    outcome.hint = error.hint();
  }
  outcome.gc = gc.parsed();
  return outcome;
}

TEST(CommandLine, CommonOptionsBeforeAndAfterTheSubcommand) {
  const Outcome outcome = parse({"--json", "gc", "--max-size", "3G", "-q"});
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.status, std::nullopt);
  EXPECT_TRUE(outcome.gc && outcome.common.json && outcome.common.quiet);
  EXPECT_EQ(outcome.size, "3G");
}

TEST(CommandLine, HelpAndVersionGoToStandardOutput) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"--version"}).status, 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "bottle-x " BOTTLE_VERSION "\n");
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"--help"}).status, 0);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("--store"));
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"gc", "--help"}).status, 0);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("--max-size"));
}

TEST(CommandLine, NamesTheNearestOption) {
  const Outcome of_command = parse({"gc", "--max-sise", "3G"});
  EXPECT_EQ(of_command.error, "unknown option --max-sise");
  EXPECT_THAT(of_command.hint, HasSubstr("did you mean --max-size? see bottle-x gc --help"));
  EXPECT_THAT(parse({"gc", "--stor=x"}).hint, HasSubstr("did you mean --store?"));
  EXPECT_THAT(parse({"--jsn", "gc"}).hint, HasSubstr("did you mean --json?"));
}

TEST(CommandLine, NamesTheNearestSubcommand) {
  const Outcome outcome = parse({"stat"});
  EXPECT_EQ(outcome.error, "unknown command \"stat\"");
  EXPECT_THAT(outcome.hint, HasSubstr("did you mean stats?"));
  EXPECT_EQ(parse({"extra"}, false).error, "unexpected argument \"extra\"");
}

// Also of options that are added when their subcommand is chosen.
TEST(CommandLine, ListOptionsTakeOneValueEachTime) {
  for (const bool late : {false, true}) {
    std::vector<std::string> list;
    std::vector<std::string> words;
    CommandLine app("test", "bottle-test");
    Subcommand command = app.add_subcommand("pull");
    const auto add = [&, command] {
      command.add_option("--certs", list);
      command.add_option("words", words);
    };
    if (late)
      command.when_chosen(add);
    else
      add();
    const std::array<const char*, 8> arguments{"bottle-test", "pull",    "--certs", "a",
                                               "x",           "--certs", "b",       "y"};
    EXPECT_FALSE(app.parse(static_cast<int>(arguments.size()), arguments.data()));
    EXPECT_EQ(list, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(words, (std::vector<std::string>{"x", "y"}));
  }
}

TEST(CommandLine, DescribesItselfAsJson) {
  testing::internal::CaptureStdout();
  std::string form;
  std::string engine;
  std::string store;
  std::vector<std::string> references;
  CommonOptions common;
  CommandLine app("About \"x\".", "bottle-x");
  app.add_common_options(common);
  Subcommand push = app.add_subcommand("push", "Upload.");
  push.when_chosen([&, push] {
    push.add_option("-f,--form", form, "Choose").type_name("FORM").one_of({"key", "text"});
    push.add_option("--engine", engine, "Use").type_name("NAME").suggests({"builtin", "docker"});
    push.add_option("--store", store, "Serve").type_name("DIR").with_optional_value();
    push.add_option("references", references, "Push to").type_name("REF");
  });
  const std::array<const char*, 2> arguments{"bottle-x", "--describe-command-line"};
  EXPECT_EQ(app.parse(2, arguments.data()), 0);
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_THAT(text, HasSubstr(R"("name":"bottle-x","description":"About \"x\".")"));
  EXPECT_THAT(text,
              HasSubstr(R"({"names":["-f","--form"],"value":"FORM","words":["key","text"],"optional":false,)"
                        R"("repeatable":false,"description":"Choose"})"));
  EXPECT_THAT(text, HasSubstr(R"({"names":["--engine"],"value":"NAME","words":["builtin","docker"],)"));
  EXPECT_THAT(text, HasSubstr(R"({"names":["--store"],"value":"DIR","words":[],"optional":true,)"));
  EXPECT_THAT(
      text,
      HasSubstr(R"("arguments":[{"names":[],"value":"REF","words":[],"optional":false,"repeatable":true,)"));
}

// Only in completions and --help: the program that knows the names judges them.
TEST(CommandLine, SuggestedWordsAreNotTheOnlyOnes) {
  std::string engine;
  CommandLine app("test", "bottle-test");
  app.add_option("--engine", engine).suggests({"builtin", "docker"});
  const std::array<const char*, 3> arguments{"bottle-test", "--engine", "other"};
  EXPECT_FALSE(app.parse(3, arguments.data()));
  EXPECT_EQ(engine, "other");
}

TEST(CommandLine, MissingPartsAreNamed) {
  EXPECT_THAT(parse({}).error, HasSubstr("subcommand"));
  EXPECT_THAT(parse({"gc", "--max-size"}).error, HasSubstr("--max-size"));
}

TEST(Sizes, AreReadWithUnits) {
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("1500"), 1500u);
  EXPECT_EQ(parse_size("64K"), 64u << 10);
  EXPECT_EQ(parse_size("1.5GiB"), 3u << 29);
  EXPECT_EQ(parse_size("10mb"), std::nullopt);
  EXPECT_EQ(parse_size("10MB"), 10u << 20);
  for (const char* text :
       {"", "G", "-1", "1X", "1.G", ".5G", "1 G", "1.2.3", "1GiBs", "99999999999999999T", "1e3"})
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
}

TEST(Durations, AreReadWithUnits) {
  EXPECT_EQ(parse_duration("90"), 90u);
  EXPECT_EQ(parse_duration("10m"), 600u);
  EXPECT_EQ(parse_duration("1.5h"), 5400u);
  EXPECT_EQ(parse_duration("2w"), 14u * 86400);
  for (const char* text : {"", "d", "1y", "-3d", "1d2h"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(Color, NeverWithoutATerminal) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_FALSE(use_color(ends[1]));
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace bottle
