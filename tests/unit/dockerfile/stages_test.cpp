// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/stages.hpp"

#include <gtest/gtest.h>

namespace bottle::dockerfile {
namespace {

StagePlan plan_of(const std::string& text, const BuildValues& values = {},
                  const std::set<std::string>& contexts = {}) {
  return plan_stages(parse_dockerfile(text), values, contexts);
}

std::string error_of(const std::string& text, const BuildValues& values = {}) {
  try {
    plan_of(text, values);
  } catch (const SourceError& error) {
    return error.where() + ": " + error.summary() + "; " + error.hint();
  }
  return "accepted";
}

TEST(Stages, BasesAreStagesScratchContextsOrImages) {
  const StagePlan plan = plan_of(R"(FROM scratch AS a
FROM a:A AS b
FROM a
FROM base
FROM docker.io/library/alpine:latest)",
                                 {}, {"base", "alpine"});
  EXPECT_EQ(plan.stages[0].base.kind, Origin::Kind::scratch);
  EXPECT_EQ(plan.stages[1].base, (Origin{Origin::Kind::image, -1, "a:A"}));
  EXPECT_EQ(plan.stages[2].base, (Origin{Origin::Kind::stage, 0, ""}));
  EXPECT_EQ(plan.stages[3].base, (Origin{Origin::Kind::named_context, -1, "base"}));
  EXPECT_EQ(plan.stages[4].base, (Origin{Origin::Kind::named_context, -1, "alpine"}));
}

TEST(Stages, ArgumentsChooseTheBase) {
  BuildValues values;
  values.build_args = {{"flavour", "fast"}};
  const StagePlan plan = plan_of(R"(ARG flavour=slow
FROM scratch AS slow
FROM scratch AS fast
FROM ${flavour})",
                                 values);
  EXPECT_EQ(plan.stages[2].base.stage, 1);
  EXPECT_EQ(plan.needed, (std::vector<int>{1, 2}));
  EXPECT_EQ(plan.stages[2].used_arguments, std::vector<std::string>{"flavour"});
}

TEST(Stages, OnlyStagesOfTheTargetAreNeeded) {
  const std::string text =
      R"(FROM scratch AS a
FROM scratch AS b
COPY --from=0 x y
FROM scratch AS c
FROM scratch AS d
RUN --mount=from=b,target=/x y
COPY --from=C z /
FROM scratch AS e
)";
  BuildValues values;
  values.target = "D";
  EXPECT_EQ(plan_of(text, values).needed, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(plan_of(text).needed, std::vector<int>{4});
  values.target = "1";
  EXPECT_EQ(plan_of(text, values).target, 1);
}

TEST(Stages, OriginsOfInstructions) {
  const StagePlan plan = plan_of(
      R"(FROM scratch AS a
FROM scratch
COPY x y
COPY --from=a x y
COPY --from=ctx x y
COPY --from=alpine x y
RUN --mount=type=cache,target=/x --mount=from=scratch,target=/y z)",
      {}, {"ctx"});
  const auto& instructions = plan.stages[1].instructions;
  EXPECT_EQ(instructions[0].origins[0].kind, Origin::Kind::build_context);
  EXPECT_EQ(instructions[1].origins[0], (Origin{Origin::Kind::stage, 0, ""}));
  EXPECT_EQ(instructions[2].origins[0], (Origin{Origin::Kind::named_context, -1, "ctx"}));
  EXPECT_EQ(instructions[3].origins[0], (Origin{Origin::Kind::image, -1, "alpine"}));
  EXPECT_EQ(instructions[4].origins[0].kind, Origin::Kind::build_context);
  EXPECT_EQ(instructions[4].origins[1].kind, Origin::Kind::scratch);
}

TEST(Stages, LaterOfTwoWithOneNameIsUsed) {
  const StagePlan plan = plan_of("FROM scratch AS a\nFROM a AS a\nFROM a");
  EXPECT_EQ(plan.stages[1].base.stage, 0);
  EXPECT_EQ(plan.stages[2].base.stage, 1);
}

TEST(Stages, AContextCanReplaceAStage) {
  const StagePlan plan = plan_of("FROM alpine AS a\nRUN x\nFROM a", {}, {"a"});
  EXPECT_TRUE(plan.stages[0].replaced);
  EXPECT_TRUE(plan.stages[0].instructions.empty());
  EXPECT_EQ(plan.stages[1].base.stage, 0);
}

TEST(Stages, TriggersOfABaseStageRunFirst) {
  const StagePlan plan = plan_of(
      R"(FROM scratch AS data
FROM scratch AS a
ONBUILD COPY --from=data x /
ONBUILD USER u
FROM a
USER v)");
  const auto& instructions = plan.stages[2].instructions;
  ASSERT_EQ(instructions.size(), 3u);
  EXPECT_TRUE(instructions[0].trigger);
  EXPECT_NE(instructions[1].instruction.as<User>(), nullptr);
  EXPECT_FALSE(instructions[2].trigger);
  EXPECT_EQ(plan.needed, (std::vector<int>{0, 1, 2}));
}

TEST(Stages, TriggersOfAnImageAreAdded) {
  const Dockerfile file = parse_dockerfile("FROM scratch AS data\nFROM image\nUSER v");
  StagePlan plan = plan_stages(file, {});
  EXPECT_EQ(plan.needed, std::vector<int>{1});
  add_triggers(plan, file, 1, {"COPY --from=data x /"});
  EXPECT_EQ(plan.stages[1].instructions.size(), 2u);
  EXPECT_EQ(plan.needed, (std::vector<int>{0, 1}));
  EXPECT_THROW(add_triggers(plan, file, 1, {"NOPE x"}), SourceError);
}

TEST(Stages, PlatformsAreRead) {
  BuildValues values;
  values.build_platform = {"linux", "s390x"};
  const StagePlan plan = plan_of("FROM --platform=$BUILDPLATFORM a\nFROM b", values);
  EXPECT_EQ(plan.stages[0].platform->string(), "linux/s390x");
  EXPECT_FALSE(plan.stages[1].platform);
}

TEST(Stages, ErrorsNameThePlaceAndTheRemedy) {
  BuildValues values;
  values.target = "buidl";
  EXPECT_EQ(error_of("FROM a AS build", values),
            "Dockerfile: target stage \"buidl\" could not be found; did you mean build?");
  const std::pair<const char*, const char*> rows[] = {
      {"FROM $x", "Dockerfile:1:1: base name ($x) should not be blank; declare ARG x before the first FROM"},
      {"FROM --platform=a/b/c/d x",
       "Dockerfile:1:1: failed to parse platform \"a/b/c/d\"; write os/architecture, for example "
       "linux/arm64"},
      {"FROM a\nCOPY --from=$x b c",
       "Dockerfile:2:1: variable expansion is not supported for --from; define a stage with FROM $x "
       "AS <name> and copy from its name"},
      {"FROM a\nCOPY --from=7 b c", "Dockerfile:2:1: invalid stage index 7; no stage precedes this one"},
      {"FROM Debian AS a\nFROM scratch",
       "Dockerfile:1:1: \"Debian\" is neither a stage nor a valid image name; write image names in lower "
       "case: debian"},
      {"FROM a\nCOPY --from=b:c:d e f",
       "Dockerfile:2:1: \"b:c:d\" is neither a stage nor a valid image name; write "
       "[registry/]name[:tag][@digest]"},
      {"FROM a AS b\nCOPY --from=b c d",
       "Dockerfile:2:1: circular dependency on stage b; copy from stages above this one only"},
      {"FROM a AS b\nCOPY --from=c c d\nFROM b AS c",
       "Dockerfile:2:1: cannot take files from stage \"c\": it needs to be defined before the current stage; "
       "move its FROM above "
       "line 1"},
  };
  for (const auto& [text, expected] : rows) {
    if (std::string_view(text).find("AS c") != std::string_view::npos) {
      values.target = "b";
      EXPECT_EQ(error_of(text, values), expected) << text;
    } else {
      EXPECT_EQ(error_of(text), expected) << text;
    }
  }
}

}  // namespace
}  // namespace bottle::dockerfile
