// SPDX-License-Identifier: Apache-2.0
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
      R"(FROM x
ENV a=1 b="2 3"
LABEL l $a
COPY --chown=1:2 --chmod=7 ./a /b
ADD --chmod=1 x y
COPY --parents <<f s /d
$a
f
WORKDIR app
CMD ["x", "y z"]
ENTRYPOINT a "b"
SHELL ["bash", "-c"]
CMD c
EXPOSE 80 53/udp
VOLUME /a /b
USER u
STOPSIGNAL 9
MAINTAINER me
ONBUILD RUN x
HEALTHCHECK --interval=5m --retries=2 CMD curl -f x
HEALTHCHECK NONE
)");
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
  const Words found = history_of(R"(FROM x
RUN a
ARG b=1 c
ARG b=2
ENV c=env
RUN ["d", "e"]
)",
                                 {{"c", "given"}});
  const Words expected{"RUN /bin/sh -c a # buildkit", "ARG b=1 c=given", "ARG b=2", "ENV c=env",
                       "RUN |2 b=2 c=env d e # buildkit"};
  EXPECT_EQ(found, expected);
}

TEST(History, RunWithHeredocs) {
  EXPECT_EQ(history_of("FROM x\nRUN <<-E\n\ta\nE\n"), Words{"RUN /bin/sh -c a\n # buildkit"});
  EXPECT_EQ(history_of(R"(FROM x
RUN <<E
#!/bin/x
E
)"),
            Words{"RUN /bin/sh -c /dev/pipes/E # buildkit"});
  EXPECT_EQ(history_of(R"(FROM x
RUN cat <<A b <<B
1
A
2
B
)"),
            Words{"RUN /bin/sh -c cat <<A b <<B\n1\nA\n2\nB # buildkit"});
  const Dockerfile file = parse_dockerfile(R"(FROM x
RUN <<E
#!/bin/x
y
E
)");
  const RunCommand command = run_command(std::get<dockerfile::Run>(file.stages[0].instructions[0].body), {});
  ASSERT_TRUE(command.script);
  EXPECT_EQ(command.script->content, "#!/bin/x\ny\n");
}

TEST(History, MarksInstructionsWithLayers) {
  const Dockerfile file = parse_dockerfile(R"(FROM x
RUN a
COPY a b
WORKDIR /
USER u)");
  const auto& instructions = file.stages[0].instructions;
  EXPECT_TRUE(makes_layer(instructions[0], "/"));
  EXPECT_TRUE(makes_layer(instructions[1], "/"));
  EXPECT_FALSE(makes_layer(instructions[2], "/"));
  EXPECT_TRUE(makes_layer(instructions[2], "/a"));
  EXPECT_FALSE(makes_layer(instructions[3], "/a"));
}

}  // namespace
}  // namespace bottle::dockerfile
