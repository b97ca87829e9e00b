// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/scope.hpp"

#include <gtest/gtest.h>

#include "dockerfile/signals.hpp"

namespace bottle::dockerfile {
namespace {

using Words = std::vector<std::string>;

BuildValues values_with(std::map<std::string, std::string> build_args) {
  BuildValues values;
  values.build_args = std::move(build_args);
  values.build_platform = {"linux", "amd64"};
  values.target_platform = {"linux", "arm", "v7"};
  return values;
}

// The state at the end of the first stage.
struct Walked {
  Dockerfile file;
  BuildValues values;
  Environment globals;
  Scope scope;
  std::vector<ExpandedInstruction> expanded;

  explicit Walked(const std::string& text, std::map<std::string, std::string> build_args = {})
      : file(parse_dockerfile(text)),
        values(values_with(std::move(build_args))),
        globals(global_arguments(file, values)),
        scope(*file.source, file.escape(), globals, values) {
    for (const Instruction& instruction : file.stages.at(0).instructions) {
      expanded.push_back(scope.expand(instruction));
      scope.apply(expanded.back().instruction);
    }
  }
  Walked(const Walked&) = delete;
};

TEST(Scope, GlobalArgumentsSeeThoseBeforeThem) {
  const Walked walked("ARG a=1\nARG b=${a}2 c\nFROM x", {{"c", "3"}});
  EXPECT_EQ(walked.globals.find("b"), "12");
  EXPECT_EQ(walked.globals.find("c"), "3");
  EXPECT_EQ(walked.globals.find("TARGETPLATFORM"), "linux/arm/v7");
  EXPECT_EQ(walked.globals.find("BUILDPLATFORM"), "linux/amd64");
  EXPECT_EQ(walked.globals.find("TARGETSTAGE"), "default");
}

TEST(Scope, ArgTakesBuildArgumentThenDefaultThenGlobal) {
  const Walked walked(R"(ARG g=global
FROM x
ARG g
ARG d=$g-d e=$d
ARG given=no
ARG none
ARG TARGETARCH)",
                      {{"given", "yes"}});
  const Environment& environment = walked.scope.environment();
  EXPECT_EQ(environment.find("g"), "global");
  EXPECT_EQ(environment.find("e"), "global-d");
  EXPECT_EQ(environment.find("given"), "yes");
  EXPECT_EQ(environment.find("none"), std::nullopt);
  EXPECT_EQ(environment.find("TARGETARCH"), "arm");
  EXPECT_EQ(walked.scope.declared().size(), 6u);
}

TEST(Scope, EnvSeesTheValuesBeforeIt) {
  const Walked walked(R"(FROM x
ENV a=1
ENV a=2 b=$a
)");
  EXPECT_EQ(walked.scope.environment().lines(), (Words{"a=2", "b=1"}));
}

// BuildKit's answers (Docker 28.5): what an instruction of the stage sees at its end, and at the start of a
// stage FROM it. The build has the arguments given=given and empty="", the file an ARG meta=meta before FROM.
TEST(Scope, VariablesAcrossStages) {
  struct Row {
    const char* text;
    const char* name;
    std::optional<std::string_view> own, inherited;
  };
  const auto none = std::nullopt;
  for (const Row& row : std::vector<Row>{
           {"", "meta", none, none},
           {"", "given", none, none},
           {"", "TARGETARCH", none, none},
           {"ARG meta", "meta", "meta", "meta"},
           {"ARG meta=own", "meta", "own", "own"},
           {"ARG a=1", "a", "1", "1"},
           {"ARG a=", "a", "", ""},
           {"ARG a", "a", none, none},
           {"ARG given", "given", "given", "given"},
           {"ARG given=default", "given", "given", "given"},
           {"ARG empty=default", "empty", "", ""},
           {"ARG a=1 b=$a-$c", "b", "1-", "1-"},
           {"ARG a=${a}x", "a", "x", "x"},
           {"ARG a=1\nARG a", "a", "1", "1"},
           {"ARG a=1\nARG a=2", "a", "2", "2"},
           {"ARG TARGETARCH", "TARGETARCH", "arm", "arm"},
           {"ARG TARGETARCH=default", "TARGETARCH", "default", "default"},
           {"ARG TARGETSTAGE", "TARGETSTAGE", "default", "default"},
           {"ENV a=env", "a", "env", "env"},
           {"ENV a=", "a", "", ""},
           {"ENV a=1 b=$a", "b", "", ""},
           {"ENV a=env\nARG a=arg", "a", "arg", "env"},
           {"ENV a=env\nARG a", "a", "env", "env"},
           {"ENV given=env\nARG given", "given", "given", "env"},
           {"ARG a=arg\nENV a=env", "a", "env", "env"},
           {"ARG given=arg\nENV given=env", "given", "env", "env"},
           {"ARG a=arg\nENV b=$a", "b", "arg", "arg"},
           {"ENV meta=env\nARG meta", "meta", "meta", "env"},
       }) {
    const Walked walked(std::string("ARG meta=meta\nFROM x\n") + row.text,
                        {{"given", "given"}, {"empty", ""}});
    EXPECT_EQ(walked.scope.environment().find(row.name), row.own) << row.text;
    Scope next = walked.scope;
    next.start_stage();
    EXPECT_EQ(next.environment().find(row.name), row.inherited) << row.text;
  }
}

TEST(Scope, ExpandsTheDocumentedInstructions) {
  const Walked walked(
      R"(FROM x
ARG p=80
ARG n
COPY --chown=$p <<a $p /$p
'$p'
a
EXPOSE $p "90-91"/udp
RUN --mount=type=cache,target=/$p echo $p
CMD $p
USER $missing$n
)");
  const Copy& copy = std::get<Copy>(walked.expanded[2].instruction.body);
  EXPECT_EQ(copy.chown, "80");
  EXPECT_EQ(copy.transfer.sources, Words{"80"});
  EXPECT_EQ(copy.transfer.files[0].content, "'80'\n");
  EXPECT_EQ(walked.expanded[2].used, Words{"p"});
  EXPECT_EQ(std::get<Expose>(walked.expanded[3].instruction.body).ports,
            (Words{"90/udp", "91/udp", "80/tcp"}));
  const dockerfile::Run& run = std::get<dockerfile::Run>(walked.expanded[4].instruction.body);
  EXPECT_EQ(run.mounts.at(0).target, "/80");
  EXPECT_EQ(run.command.words, Words{"echo $p"});
  EXPECT_EQ(std::get<Cmd>(walked.expanded[5].instruction.body).command.words, Words{"$p"});
  EXPECT_EQ(walked.expanded[6].unset, Words{"missing"});
}

TEST(Scope, ErrorsNameTheWord) {
  try {
    const Walked walked("FROM x\n\nENV a='b");
    FAIL();
  } catch (const SourceError& error) {
    EXPECT_EQ(error.where(), "Dockerfile:3:7");
  }
  EXPECT_THROW(Walked("FROM x\nEXPOSE nope"), SourceError);
  EXPECT_THROW(Walked("FROM x\nARG e=\nVOLUME $e"), SourceError);
  EXPECT_THROW(Walked("ARG a=${b:?needed}\nFROM x"), SourceError);
}

TEST(Scope, FindsProxySettings) {
  const auto found = proxy_arguments({{"HTTP_PROXY", "a"}, {"no_proxy", "b"}, {"other", "c"}});
  EXPECT_EQ(found.size(), 2u);
}

TEST(Signals, AreNumbersAndNames) {
  for (const char* text : {"9", "+9", "SIGTERM", "term", "sigRTMIN+15", "RTMAX-1", "RTMAX", "-1"})
    EXPECT_TRUE(is_signal(text)) << text;
  for (const char* text : {"", "0", "SIG", "NOPE", "RTMIN+16", "RTMIN+01x", "RTMAX-15", "9x"})
    EXPECT_FALSE(is_signal(text)) << text;
  EXPECT_THROW(Walked("FROM x\nSTOPSIGNAL nope"), SourceError);
}

TEST(Workdir, IsJoinedWhenRelative) {
  EXPECT_EQ(resolved_workdir("/a", "b/../c/"), "/a/c");
  EXPECT_EQ(resolved_workdir("", "b"), "/b");
  EXPECT_EQ(resolved_workdir("/a", "/x/./y/"), "/x/./y/");
  EXPECT_EQ(resolved_workdir("/a", ".."), "/");
  EXPECT_EQ(resolved_destination("/a", "b/"), "/a/b/");
  EXPECT_EQ(resolved_destination("/a", "."), "/a/");
  EXPECT_EQ(resolved_destination("/a", "b/."), "/a/b/.");
  EXPECT_EQ(resolved_destination("/", "."), "/");
  EXPECT_EQ(resolved_destination("/a", "/b"), "/b");
}

}  // namespace
}  // namespace bottle::dockerfile
