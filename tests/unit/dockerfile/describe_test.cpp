#include "dockerfile/describe.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace bottle::dockerfile {
namespace {

using nlohmann::json;

TEST(Describe, TreeIsPrinted) {
  const Dockerfile file = parse_dockerfile(
      "# escape=`\nARG v=1\nFROM a:$v AS b\n# note\nCOPY --from=c --link <<x y /z\nt\nx\nENV k w\n");
  const json expected = json::parse(R"({
    "directives": {"escape": "`"},
    "meta_args": [{"instruction": "ARG", "lines": [2, 2], "text": "ARG v=1", "definitions": [{"key": "v", "value": "1"}]}],
    "stages": [{
      "from": {"instruction": "FROM", "lines": [3, 3], "text": "FROM a:$v AS b", "base": "a:$v", "name": "b"},
      "instructions": [
        {"instruction": "COPY", "lines": [5, 7], "text": "COPY --from=c --link <<x y /z", "comments": ["note"], "from": "c",
         "link": true, "sources": ["y"], "destination": "/z", "files": [{"name": "x", "content": "t\n", "expand": true}]},
        {"instruction": "ENV", "lines": [8, 8], "text": "ENV k w", "pairs": [{"key": "k", "value": "w", "delimited": false}]}
      ]}]})");
  EXPECT_EQ(describe(file), expected) << describe(file).dump(1);
}

TEST(Describe, PlanIsPrinted) {
  const Dockerfile file =
      parse_dockerfile("FROM scratch AS a\nFROM x\nCOPY --from=a y /\nRUN --mount=from=ctx,target=/m z");
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
