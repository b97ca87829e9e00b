// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/describe.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../golden.hpp"

namespace bottle::dockerfile {
namespace {

using nlohmann::json;

TEST(Describe, TreeIsPrinted) {
  const Dockerfile file = parse_dockerfile(
      R"(# escape=`
ARG v=1
FROM a:$v AS b
# note
COPY --from=c --link <<x y /z
t
x
ENV k w
)");
  const std::string tree = describe(file).dump(1) + "\n";
  EXPECT_EQ(tree, golden("dockerfile_tree.json", tree));
}

TEST(Describe, PlanIsPrinted) {
  const Dockerfile file = parse_dockerfile(R"(FROM scratch AS a
FROM x
COPY --from=a y /
RUN --mount=from=ctx,target=/m z)");
  const json plan = describe(plan_stages(file, {}, {"ctx"}));
  EXPECT_EQ(plan["needed"], json::parse("[0, 1]"));
  EXPECT_EQ(plan["stages"][1]["origin"], json::parse(R"({"kind": "image", "name": "x"})"));
  const json& instructions = plan["stages"][1]["instructions"];
  EXPECT_EQ(instructions[0]["origins"][0], json::parse(R"({"kind": "stage", "stage": 0})"));
  EXPECT_EQ(instructions[1]["origins"][0], json::parse(R"({"kind": "named_context", "name": "ctx"})"));
  EXPECT_EQ(plan["globals"]["TARGETSTAGE"], "default");
}

}  // namespace
}  // namespace bottle::dockerfile
