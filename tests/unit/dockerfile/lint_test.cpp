// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/lint.hpp"

#include <gtest/gtest.h>

namespace bottle::dockerfile {
namespace {

using Words = std::vector<std::string>;

Words fired(const std::string& text, const LintFacts& facts = {.unknown_bases_are_empty = true}) {
  Words result;
  BuildValues values;
  values.target_platform = {"linux", "amd64"};
  const LintReport report = lint(parse_dockerfile(text), values, facts);
  for (const LintWarning& warning : report.warnings)
    result.push_back(std::to_string(warning.lines.first) + " " + warning.rule);
  if (report.error) result.push_back("error " + report.error->summary());
  return result;
}

TEST(Lint, EachRuleFires) {
  const std::pair<const char*, Words> rows[] = {
      {"FROM a AS b\nRUN x", {}},
      {"FROM a as b", {"1 FromAsCasing"}},
      {"from a as b", {}},
      {"FROM a AS B", {"1 StageNameCasing"}},
      {"FROM a AS b\nFROM c AS b", {"2 DuplicateStageName"}},
      {"FROM a AS context", {"1 ReservedStageName"}},
      {R"(FROM a
RUN b \

 c)",
       {"4 NoEmptyContinuation"}},
      {"FROM a\nrun x\nUSER y", {"2 ConsistentInstructionCasing"}},
      {"FROM a\nRun x", {"2 ConsistentInstructionCasing"}},
      {"FROM a\nCMD x", {"2 JSONArgsRecommended"}},
      {"FROM a\nSHELL [\"b\"]\nCMD x", {}},
      {R"(FROM a AS b
SHELL ["b"]
FROM b
ENTRYPOINT x)",
       {}},
      {"FROM a\nMAINTAINER x", {"2 MaintainerDeprecated"}},
      {"FROM $x",
       {"1 InvalidDefaultArgInFrom", "1 UndefinedArgInFrom", "error base name ($x) should not be blank"}},
      {"ARG x=b\nFROM a$x", {}},
      {"FROM a\nWORKDIR b\nWORKDIR c", {"2 WorkdirRelativePath"}},
      {R"(FROM a AS b
WORKDIR /b
FROM b
WORKDIR c)",
       {}},
      {"FROM a\nCOPY $x ${x} /", {"2 UndefinedVar", "2 UndefinedVar"}},
      {"FROM a\nARG x\nCOPY $x $PATH /", {}},
      {"FROM a\nCMD [\"x\"]\nCMD [\"y\"]", {"2 MultipleInstructionsDisallowed"}},
      {"FROM a\nENV b c", {"2 LegacyKeyValueFormat"}},
      {"FROM a\nENV API_KEY=x PUBLIC_KEY=y monkey=z\nARG token",
       {"2 SecretsUsedInArgOrEnv", "3 SecretsUsedInArgOrEnv"}},
      {"FROM --platform=$TARGETPLATFORM a", {"1 RedundantTargetPlatform"}},
      {"FROM --platform=linux/arm64 a", {"1 FromPlatformFlagConstDisallowed"}},
      {"FROM --platform=linux/arm64 a AS x-arm64", {}},
      {"FROM a\nEXPOSE $x", {}},
      {"FROM a\nEXPOSE 80 $x", {}},
      {"FROM a\nEXPOSE 80/TCP 1:2", {"2 ExposeInvalidFormat", "2 ExposeProtoCasing"}},
      {R"(# check=experimental=all
# other text
ARG a
# a is good
ARG a
# b x
FROM a AS b)",
       {"3 InvalidDefinitionDescription"}},
      {"# check=skip=JSONArgsRecommended\nFROM a as b\nCMD x", {"2 FromAsCasing"}},
      {"# check=skip=all\nFROM a as b", {}},
      {"# check=nonsense\nFROM a as b", {"error invalid check option in \"nonsense\""}},
      {R"(FROM a
# check=skip=JSONArgsRecommended
CMD x
CMD y)",
       {"3 MultipleInstructionsDisallowed", "4 JSONArgsRecommended"}},
  };
  for (const auto& [text, expected] : rows) {
    Words found = fired(text);
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, expected) << text;
  }
}

TEST(Lint, UnknownBasesMayDefineVariables) {
  EXPECT_EQ(fired("FROM a\nUSER $x", {}), Words{});
  EXPECT_EQ(fired("FROM scratch\nUSER $x", {}), Words{"2 UndefinedVar"});
}

TEST(Lint, BaseConfigurationIsUsed) {
  LintFacts facts;
  facts.base = [](const PlannedStage&) {
    BaseFacts base;
    base.environment.set("x", "1");
    base.shell = {"bash", "-c"};
    base.triggers = {"USER $y"};
    base.platform = oci::Platform{"linux", "arm64"};
    return base;
  };
  EXPECT_EQ(fired("FROM a\nUSER $x\nCMD z", facts), (Words{"1 InvalidBaseImagePlatform", "1 UndefinedVar"}));
}

TEST(Lint, IgnoredSourcesAreNamed) {
  const IgnoreMatcher matcher({"a", "*.o"});
  const LintFacts facts{.ignore = &matcher};
  EXPECT_EQ(fired(R"(FROM x AS y
COPY a/b b /
ADD ./c.o https://x/a.o /
COPY . /
FROM x
COPY --from=y a /)",
                  facts),
            (Words{"2 CopyIgnoredFile", "3 CopyIgnoredFile"}));
  const IgnoreMatcher with_exceptions({"a", "!a/b"});
  EXPECT_EQ(fired("FROM x\nCOPY a /", {.ignore = &with_exceptions}), Words{});
}

// What BuildKit 0.25 (Docker 28.5) and later say of the same files.
TEST(Lint, WarningsBeforeAnErrorAreKept) {
  const std::pair<const char*, Words> rows[] = {
      // Expansion: variables unset before the error, also in the invalid word.
      {"FROM a\nUSER $x${y:?z}", {"2 UndefinedVar", "2 UndefinedVar"}},
      {"FROM a\nCOPY $x ${y:} /", {"2 UndefinedVar"}},
      {"FROM a\nSTOPSIGNAL $x", {"2 UndefinedVar"}},
      {"FROM a\nVOLUME $x", {"2 UndefinedVar"}},
      {"FROM a\nRUN --mount=type=bind,from=b,source=$x,nosuch=1 y", {"2 UndefinedVar"}},
      {"FROM a\nARG x\nUSER $x${y:?z}", {"3 UndefinedVar"}},
      {"FROM a\nARG token=${y:?z}", {"2 SecretsUsedInArgOrEnv", "2 UndefinedVar"}},
      // Ports, up to the wrong one.
      {"FROM a\nEXPOSE 80/TCP 1:2 90000", {"2 ExposeInvalidFormat", "2 ExposeProtoCasing"}},
      {"FROM a\nEXPOSE 70000/TCP", {"2 ExposeProtoCasing"}},
      {"FROM a\nEXPOSE 1/no 80/TCP", {}},
      // Earlier instructions.
      {R"(FROM a
CMD x
USER ${y:}
ENTRYPOINT z)",
       {"2 JSONArgsRecommended"}},
  };
  for (const auto& [text, expected] : rows) {
    Words found = fired(text);
    ASSERT_FALSE(found.empty()) << text;
    EXPECT_EQ(found.back().substr(0, 6), "error ") << text;
    found.pop_back();
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, expected) << text;
  }
}

TEST(Lint, WarningsBeforeAnInvalidInstructionAreKept) {
  const std::pair<const char*, Words> rows[] = {
      {R"(FROM a as b
RUN x \

 y
COPYY c /)",
       {"1 FromAsCasing", "4 NoEmptyContinuation"}},
      {"FROM a AS b\nFROM --nosuch c as D", {"2 FromAsCasing", "2 StageNameCasing"}},
      {"FROM a as b\nMAINTAINER", {"1 FromAsCasing", "2 MaintainerDeprecated"}},
      {"FROM a as b\n# check=skip=MaintainerDeprecated\nMAINTAINER", {"1 FromAsCasing"}},
      {"# check=skip=all\nFROM a as b\nCOPYY c /", {}},
      {"FROM a\nCOPYY c /\nFROM b as c", {}},
  };
  for (const auto& [text, expected] : rows) {
    const LintReport report = lint(parse_partial_dockerfile(text), {});
    Words found;
    for (const LintWarning& warning : report.warnings)
      found.push_back(std::to_string(warning.lines.first) + " " + warning.rule);
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, expected) << text;
    EXPECT_TRUE(report.error) << text;
  }
}

TEST(Lint, WarningsShowThePlace) {
  const Dockerfile file = parse_dockerfile("FROM a\n  CMD x", "dir/Dockerfile");
  const LintReport report = lint(file, {});
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_EQ(report.warnings[0].text(*file.source),
            "dir/Dockerfile:2:3: warning: JSON arguments recommended for CMD to prevent unintended behavior "
            "related to OS signals [JSONArgsRecommended]\n    2 |   CMD x\n      |   ^\n  hint: write "
            "[\"program\", \"argument\"], or set the shell with SHELL");
  EXPECT_EQ(report.warnings[0].url(), "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
}

TEST(Lint, CaretsPointAtTheCause) {
  const auto place = [](const std::string& text) {
    const LintReport report = lint(parse_dockerfile(text), {}, {.unknown_bases_are_empty = true});
    if (report.warnings.size() != 1) return std::to_string(report.warnings.size()) + " warnings";
    const Position position = report.warnings[0].position;
    return report.warnings[0].rule + " " + std::to_string(position.line) + ":" +
           std::to_string(position.column);
  };
  EXPECT_EQ(place("FROM a\tas b"), "FromAsCasing 1:8");
  EXPECT_EQ(place("FROM a AS \\\n  B"), "StageNameCasing 2:3");
  EXPECT_EQ(place("FROM a\nCOPY /\xc3\xa4 \\\n # ${x}\n ${x} /"), "UndefinedVar 4:2");
  EXPECT_EQ(place("FROM a\nARG xy\nCOPY $xy $x /"), "UndefinedVar 3:10");
  EXPECT_EQ(place("FROM a\nENV a=b API_KEY=c"), "SecretsUsedInArgOrEnv 2:9");
  EXPECT_EQ(place("FROM a\nEXPOSE 80 81/TCP"), "ExposeProtoCasing 2:11");
  EXPECT_EQ(place("FROM --platform=linux/arm64 a"), "FromPlatformFlagConstDisallowed 1:6");
  EXPECT_EQ(place("FROM a\nCMD x"), "JSONArgsRecommended 2:1");
}

TEST(Lint, GivenOptionsReplaceThoseOfTheFile) {
  const LintFacts facts{.options = parse_lint_options("skip=FromAsCasing;error=true")};
  const Dockerfile file = parse_dockerfile("# check=skip=JSONArgsRecommended\nFROM a as b\nCMD x");
  const LintReport report = lint(file, {}, facts);
  ASSERT_EQ(report.warnings.size(), 1u);
  EXPECT_EQ(report.warnings[0].rule, "JSONArgsRecommended");
  EXPECT_TRUE(report.warnings_are_errors);
  EXPECT_EQ(fired("# check=nonsense\nFROM a as b", facts), Words{});
}

TEST(Lint, StagesThatTheTargetDoesNotNeedCanBeLeftOut) {
  const char* text = R"(FROM a AS b
CMD x
FROM c
CMD ["y"])";
  EXPECT_EQ(fired(text), Words{"2 JSONArgsRecommended"});
  EXPECT_EQ(fired(text, {.target_only = true}), Words{});
}

TEST(Lint, EachRuleHasAHint) {
  for (const std::string& rule : lint_rule_names())
    EXPECT_FALSE((LintWarning{rule, {}, {}, {}}.hint().empty())) << rule;
}

TEST(Lint, CheckDirectivesAreParsed) {
  const auto options = parse_lint_options("skip= A , B;error=true;experimental=all");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->skipped, (std::set<std::string>{"A", "B"}));
  EXPECT_TRUE(options->error);
  EXPECT_TRUE(options->experimental_all);
  for (const char* text : {"x", "skip", "error=perhaps", "other=1"})
    EXPECT_FALSE(parse_lint_options(text)) << text;
}

}  // namespace
}  // namespace bottle::dockerfile
