// SPDX-License-Identifier: Apache-2.0
#include "image/describe.hpp"

#include <nlohmann/json.hpp>

#include "testing.hpp"

namespace bottle::image {
namespace {

using Json = nlohmann::ordered_json;

class DescribeTest : public ImageTest {
 protected:
  Json inputs(const BuildSpec& spec) const {
    return describe_inputs(resolve::resolve_image(spec, store(), {.unlocked = resolve::Unlocked::left_open}));
  }
  Json plan(const BuildSpec& spec) const {
    return describe_plan(resolve::resolve_image(spec, store(), {.unlocked = resolve::Unlocked::left_open}));
  }
};

TEST_F(DescribeTest, InputsAreFilesAndSources) {
  write("a", "content", 0600);
  link("b", "a");
  dockerfile(
      R"(FROM far:1 AS base
FROM scratch
COPY a b /
COPY --from=base /x /
COPY --from=scratch / /y
)");
  BuildSpec spec = this->spec();
  spec.labels = {{"k", "v"}};
  const Json found = inputs(spec);
  EXPECT_EQ(found["platform"], "linux/amd64");
  EXPECT_EQ(found["labels"].dump(), R"({"k":"v"})");
  ASSERT_EQ(found["contexts"].size(), 1u);
  EXPECT_EQ(found["contexts"][0]["path"], context().native());
  const Json file{
      {"path", "a"}, {"type", "file"}, {"mode", "0600"}, {"size", 7}, {"digest", sha256("content").string()}};
  EXPECT_EQ(found["contexts"][0]["files"][0], file);
  EXPECT_EQ(found["contexts"][0]["files"][1].dump(), R"({"path":"b","type":"symlink","link":"a"})");
  ASSERT_EQ(found["sources"].size(), 2u);
  EXPECT_EQ(found["sources"][0].dump(), R"({"name":"far:1","used":["FROM"],"lines":[1],"resolved":false})");
  EXPECT_EQ(found["sources"][1]["name"], "scratch");
  EXPECT_EQ(found["sources"][1]["identity"], "nothing");
}

TEST_F(DescribeTest, ArgumentsAreUsedOrIgnored) {
  dockerfile(R"(ARG BASE=scratch
FROM $BASE
ARG a=1
ARG b
LABEL x=$a
)");
  BuildSpec spec = this->spec();
  spec.build_args = {{"b", "2"}, {"c", "3"}, {"HTTP_PROXY", "p"}};
  const Json found = inputs(spec);
  EXPECT_EQ(found["arguments"].dump(), R"({"BASE":"scratch","a":"1","b":"2"})");
  EXPECT_EQ(found["ignoredArguments"].dump(), R"(["c"])") << "a proxy is always taken";
}

TEST_F(DescribeTest, SecretsAreNamed) {
  dockerfile(
      R"(FROM scratch
RUN --mount=type=secret,id=s --mount=type=ssh x
RUN --mount=type=secret,id=s,required y
RUN --mount=type=ssh,id=other z
)");
  const Json found = inputs(spec());
  EXPECT_EQ(found["secrets"].dump(), R"([{"id":"s","required":true,"given":false}])");
  EXPECT_EQ(found["ssh"].dump(), R"(["default","other"])");
}

TEST_F(DescribeTest, PlanHasOrderAndLevels) {
  write("a", "");
  dockerfile(
      R"(FROM scratch AS one
COPY a /
FROM scratch AS two
RUN --mount=from=one,target=/m x
FROM scratch AS unused
FROM two
COPY --from=one /a /
ENV x=y
)");
  const Json found = plan(spec());
  EXPECT_EQ(found["levels"].dump(), "[[0],[1],[3]]");
  EXPECT_EQ(found["stages"][1]["needs"].dump(), "[0]");
  EXPECT_EQ(found["stages"][1]["steps"][0]["stages"].dump(), "[0]");
  EXPECT_EQ(found["stages"][2]["base"].dump(), R"({"kind":"stage","stage":1})");
  EXPECT_EQ(found["stages"][2]["steps"][1]["makesLayer"], false);
  EXPECT_EQ(found["stages"][0]["steps"][0]["contexts"].dump(), R"(["context"])");
}

}  // namespace
}  // namespace bottle::image
