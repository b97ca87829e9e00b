// SPDX-License-Identifier: Apache-2.0
#include "pack/describe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "pack/image_reference.hpp"
#include "util/digest.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string config(const std::string& inner) {
  return R"({"architecture":"amd64","os":"linux","variant":"v2","config":{)" + inner + "}}";
}

Manifest describe(const std::string& inner, Findings& findings,
                  const PackOptions& options = test::options()) {
  return describe_image(config(inner), options, findings);
}

TEST(Describe, ManifestFollowsTheImage) {
  Findings findings;
  const Manifest manifest = describe(
      R"("Env":["PATH=/bin"],"Entrypoint":["/e"],"Cmd":["c","d"],"WorkingDir":"/w","User":"root:root")",
      findings);
  EXPECT_THAT(manifest.env, ElementsAre("PATH=/bin"));
  EXPECT_THAT(manifest.entrypoint, ElementsAre("/e"));
  EXPECT_THAT(manifest.cmd, ElementsAre("c", "d"));
  EXPECT_EQ(manifest.workdir, "/w");
  EXPECT_EQ(manifest.user, "root:root");
  EXPECT_EQ(manifest.platform, "linux/amd64");  // without the variant
  EXPECT_EQ(manifest.host_platform, "");
  EXPECT_EQ(manifest.created, "1970-01-01T00:00:00Z");
  EXPECT_EQ(
      manifest.digest,
      sha256(
          config(
              R"("Env":["PATH=/bin"],"Entrypoint":["/e"],"Cmd":["c","d"],"WorkingDir":"/w","User":"root:root")"))
          .string());
  EXPECT_THAT(findings.warnings, IsEmpty());
}

TEST(Describe, EmptyWorkingDirectoryIsLeftOut) {
  Findings findings;
  EXPECT_FALSE(describe(R"("WorkingDir":"")", findings).workdir);
}

TEST(Describe, OptionsReplaceTheImagesValues) {
  PackOptions options = test::options();
  options.entrypoint = {{"/x"}};
  options.cmd = std::vector<std::string>{};
  options.env = {"A=2", "C=3"};
  options.epoch = 1'000'000'000;
  Findings findings;
  const Manifest manifest =
      describe(R"("Env":["A=1","B=1"],"Entrypoint":["/e"],"Cmd":["c"])", findings, options);
  EXPECT_THAT(manifest.entrypoint, ElementsAre("/x"));
  EXPECT_THAT(manifest.cmd, IsEmpty());
  EXPECT_THAT(manifest.env, ElementsAre("A=2", "B=1", "C=3"));
  EXPECT_EQ(manifest.created, "2001-09-09T01:46:40Z");
}

TEST(Describe, VariablesTheGuestRefusesAreLeftOut) {
  Findings findings;
  const std::string big(32 * 1024 + 1, 'x');
  const std::string fits(32 * 1024, 'x');
  const std::string name(257, 'N');
  const Manifest manifest = describe(R"("Env":["A.B=1","a-b=1","=x","NOEQUALS","1A=x","_ok=1","BIG=)" + big +
                                         R"(","FITS=)" + fits + R"(",")" + name + R"(=1","E="])",
                                     findings);
  EXPECT_THAT(manifest.env, ElementsAre("_ok=1", "FITS=" + fits, "E="));
  EXPECT_EQ(findings.warnings.size(), 7u);
  EXPECT_THAT(findings.warnings, testing::Contains(HasSubstr("\"NOEQUALS\" has no '='")));
}

TEST(Describe, LostPropertiesAreNotes) {
  Findings findings;
  describe(R"("User":"1000:1000","ExposedPorts":{"80/tcp":{}},"Volumes":{},"StopSignal":"")", findings);
  EXPECT_THAT(findings.warnings, IsEmpty());
  EXPECT_THAT(findings.notes, ElementsAre(HasSubstr("ExposedPorts of the image configuration are left out")));
}

TEST(Describe, UserIsTheImagesOrTheOptions) {
  Findings findings;
  EXPECT_EQ(describe(R"("User":"1000:1000")", findings).user, "1000:1000");
  EXPECT_EQ(describe(R"("User":"agent")", findings).user, "agent");
  EXPECT_EQ(describe(R"("User":"agent:")", findings).user, "agent");
  EXPECT_EQ(describe(R"("User":"")", findings).user, std::nullopt);
  EXPECT_EQ(describe("", findings).user, std::nullopt);
  PackOptions options = test::options();
  options.user = "root";
  EXPECT_EQ(describe(R"("User":"agent")", findings, options).user, "root");
  EXPECT_THAT(findings.warnings, IsEmpty());
  for (const char* user : {"a b", ":g", "a:b:c", "a\\u0000"}) {
    findings = {};
    EXPECT_EQ(describe(std::string("\"User\":\"") + user + '"', findings).user, std::nullopt) << user;
    EXPECT_THAT(findings.warnings, ElementsAre(HasSubstr("runs as root"))) << user;
  }
}

TEST(Describe, OtherPlatformsAreAWarning) {
  Findings findings;
  describe_image(R"({"architecture":"riscv64","os":"linux"})", test::options(), findings);
  EXPECT_THAT(findings.warnings, ElementsAre(HasSubstr("linux/riscv64")));
}

TEST(Describe, ImpossibleOptionsAreErrors) {
  const auto refused = [](auto change) {
    PackOptions options = test::options();
    change(options);
    EXPECT_THROW(check_options(options), Error);
  };
  refused([](PackOptions& o) { o.cpus = 0; });
  refused([](PackOptions& o) { o.cpus = 256; });
  refused([](PackOptions& o) { o.memory_mib = 63; });
  refused([](PackOptions& o) { o.memory_mib = 1ull << 32; });
  refused([](PackOptions& o) { o.level = 0; });
  refused([](PackOptions& o) { o.level = 20; });
  refused([](PackOptions& o) { o.image = "../x"; });
  refused([](PackOptions& o) { o.image = "a b"; });
  refused([](PackOptions& o) { o.image = std::string(600, 'a'); });
  refused([](PackOptions& o) { o.env = {"A"}; });
  for (const char* user : {"", " ", "a b", ":1", "1:", "a:b:c", "a\n"})
    refused([&](PackOptions& o) { o.user = user; });
  EXPECT_NO_THROW(check_options(test::options()));
}

TEST(Describe, LongImageNamesAreAWarning) {
  PackOptions options = test::options();
  options.image = std::string(75, 'a') + ":t";  // docker.io/library/ makes it 95 + ...
  Findings findings;
  describe("", findings, options);
  EXPECT_THAT(findings.warnings, IsEmpty());
  options.image = std::string(81, 'a') + ":t";
  describe("", findings, options);
  EXPECT_THAT(findings.warnings, ElementsAre(HasSubstr("pack run")));
}

TEST(ImageReference, IsCanonicalized) {
  const std::pair<const char*, const char*> cases[] = {
      {"alpine", "docker.io/library/alpine:latest"},
      {"alpine:3", "docker.io/library/alpine:3"},
      {"a/b", "docker.io/a/b:latest"},
      {"index.docker.io/alpine", "docker.io/library/alpine:latest"},
      {"localhost:5000/x:t", "localhost:5000/x:t"},
      {"localhost:5000/x", "localhost:5000/x:latest"},
      {"localhost/x", "docker.io/localhost/x:latest"},
      {"ghcr.io/o/r:v1@sha256:ab", "ghcr.io/o/r@sha256:ab"},
      {"/abs/x.tar", "docker.io//abs/x.tar:latest"},
      {"./x.tar", "./x.tar:latest"},
      {"local:abc", "local:abc"},
  };
  for (const auto& [reference, canonical] : cases)
    EXPECT_EQ(canonical_image(reference), canonical);
}

}  // namespace
}  // namespace bottle::pack
