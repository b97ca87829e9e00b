#include "dockerfile/history.hpp"

#include <gtest/gtest.h>

#include "dockerfile/stages.hpp"

namespace bottle::dockerfile {
namespace {

using Words = std::vector<std::string>;

// The history of the last stage, which must not have a base in the file.
Words history_of(const std::string& text, const std::map<std::string, std::string>& build_args = {}) {
  BuildValues values;
  values.build_args = build_args;
  values.target_platform = {"linux", "amd64"};
  const Dockerfile file = parse_dockerfile(text);
  const Environment globals = global_arguments(file, values);
  Scope scope(*file.source, file.escape(), globals, values);
  Words shell;
  std::string workdir = "/";
  Words history;
  for (const Instruction& written : file.stages.back().instructions) {
    const Instruction instruction = scope.expand(written).instruction;
    if (const Workdir* each = instruction.as<Workdir>()) workdir = resolved_workdir(workdir, each->path);
    if (const Shell* each = instruction.as<Shell>()) shell = each->words;
    scope.apply(instruction);
    if (const auto entry = created_by(instruction, {.shell = shell, .workdir = workdir, .scope = &scope}))
      history.push_back(*entry);
  }
  return history;
}

TEST(History, NamesEachInstruction) {
  const Words found = history_of(
      "FROM x\nENV a=1 b=\"2 3\"\nLABEL l $a\nCOPY --chown=1:2 --chmod=7 ./a /b\nADD --chmod=1 x y\nCOPY "
      "--parents <<f s /d\n$a\nf\n"
      "WORKDIR app\nCMD [\"x\", \"y z\"]\nENTRYPOINT a \"b\"\nSHELL [\"bash\", \"-c\"]\nCMD c\nEXPOSE 80 "
      "53/udp\nVOLUME /a /b\nUSER u\n"
      "STOPSIGNAL 9\nMAINTAINER me\nONBUILD RUN x\nHEALTHCHECK --interval=5m --retries=2 CMD curl -f "
      "x\nHEALTHCHECK NONE\n");
  const Words expected{
      "ENV a=1 b=2 3",
      "LABEL l=1",
      "COPY --chown=1:2 --chmod=7 ./a /b # buildkit",
      "ADD --chmod=1 x y # buildkit",
      "COPY --parents s <<f /d # buildkit",
      "WORKDIR /app",
      "CMD [\"x\" \"y z\"]",
      "ENTRYPOINT [\"/bin/sh\" \"-c\" \"a \\\"b\\\"\"]",
      "SHELL [bash -c]",
      "CMD [\"bash\" \"-c\" \"c\"]",
      "EXPOSE [53/udp 80/tcp]",
      "VOLUME [/a /b]",
      "USER u",
      "STOPSIGNAL 9",
      "MAINTAINER me",
      "HEALTHCHECK {Test:[CMD-SHELL curl -f x] Interval:5m0s Timeout:0s StartPeriod:0s StartInterval:0s "
      "Retries:2}",
      "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
  };
  EXPECT_EQ(found, expected);
}

TEST(History, RunShowsTheArgumentsInForce) {
  const Words found =
      history_of("FROM x\nRUN a\nARG b=1 c\nARG b=2\nENV c=env\nRUN [\"d\", \"e\"]\n", {{"c", "given"}});
  const Words expected{"RUN /bin/sh -c a # buildkit", "ARG b=1 c=given", "ARG b=2", "ENV c=env",
                       "RUN |2 b=2 c=env d e # buildkit"};
  EXPECT_EQ(found, expected);
}

TEST(History, RunWithHeredocs) {
  EXPECT_EQ(history_of("FROM x\nRUN <<-E\n\ta\nE\n"), Words{"RUN /bin/sh -c a\n # buildkit"});
  EXPECT_EQ(history_of("FROM x\nRUN <<E\n#!/bin/x\nE\n"), Words{"RUN /bin/sh -c /dev/pipes/E # buildkit"});
  EXPECT_EQ(history_of("FROM x\nRUN cat <<A b <<B\n1\nA\n2\nB\n"),
            Words{"RUN /bin/sh -c cat <<A b <<B\n1\nA\n2\nB # buildkit"});
  const Dockerfile file = parse_dockerfile("FROM x\nRUN <<E\n#!/bin/x\ny\nE\n");
  const RunCommand command = run_command(std::get<dockerfile::Run>(file.stages[0].instructions[0].body), {});
  ASSERT_TRUE(command.script);
  EXPECT_EQ(command.script->content, "#!/bin/x\ny\n");
}

TEST(History, MarksInstructionsWithLayers) {
  const Dockerfile file = parse_dockerfile("FROM x\nRUN a\nCOPY a b\nWORKDIR /\nUSER u");
  const auto& instructions = file.stages[0].instructions;
  EXPECT_TRUE(makes_layer(instructions[0], "/"));
  EXPECT_TRUE(makes_layer(instructions[1], "/"));
  EXPECT_FALSE(makes_layer(instructions[2], "/"));
  EXPECT_TRUE(makes_layer(instructions[2], "/a"));
  EXPECT_FALSE(makes_layer(instructions[3], "/a"));
}

}  // namespace
}  // namespace bottle::dockerfile
