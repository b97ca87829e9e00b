// SPDX-License-Identifier: Apache-2.0
#include "run/request.hpp"

#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RunRequestTest : public ImageTest {};

TEST_F(RunRequestTest, DefaultTargetIsTheWorkingDirectory) {
  for (const char* type : {"bind", "cache", "tmpfs"}) {
    const std::string run = std::string("RUN --mount=type=") + type;
    dockerfile("FROM scratch\nWORKDIR /a/b\n" + run + " x\n" + run + ",target=./c x\n");
    EXPECT_THAT(key_text(), AllOf(HasSubstr(std::string("--mount=") + type + ",target=/a/b,"),
                                  HasSubstr(std::string("--mount=") + type + ",target=/a/b/c,")));
    for (const char* target : {"", ",target=/", ",target=.."}) {
      dockerfile("FROM scratch\n" + run + target + " x\n");
      EXPECT_THAT(error_of([&] { key_text(); }), AllOf(HasSubstr("Dockerfile:2:1"), HasSubstr("target")))
          << type << target;
    }
  }
}

TEST_F(RunRequestTest, SecretsAndAgentsHaveDefaultTargets) {
  dockerfile(R"(FROM scratch
WORKDIR /a
RUN --mount=type=secret,id=s x
)");
  EXPECT_THAT(key_text(), HasSubstr("--mount=secret,target=/run/secrets/s,"));
  dockerfile(R"(FROM scratch
WORKDIR /a
RUN --mount=type=secret,id=s,env=S x
)");
  EXPECT_THAT(key_text(), HasSubstr("--mount=secret,target=,"));
  dockerfile(R"(FROM scratch
WORKDIR /a
RUN --mount=type=ssh x
)");
  EXPECT_THAT(key_text(), HasSubstr("--mount=ssh,target=,"));
}

}  // namespace
}  // namespace bottle::image
