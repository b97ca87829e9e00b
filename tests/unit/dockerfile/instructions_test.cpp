// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/instructions.hpp"

#include <gtest/gtest.h>

#include "dockerfile/run_flags.hpp"

namespace bottle::dockerfile {
namespace {

using Words = std::vector<std::string>;

// The instruction after "FROM a".
Instruction one(const std::string& text) {
  const Dockerfile file = parse_dockerfile("FROM a\n" + text);
  EXPECT_EQ(file.stages.at(0).instructions.size(), 1u) << text;
  return file.stages.at(0).instructions.at(0);
}

std::string error_of(const std::string& text) {
  try {
    parse_dockerfile(text);
  } catch (const SourceError& error) {
    return error.where() + ": " + error.summary() + "; " + error.hint();
  }
  return "accepted";
}

TEST(Instructions, KeywordsAreCaseInsensitive) {
  const Instruction run = one("rUn echo");
  EXPECT_EQ(run.keyword, "rUn");
  EXPECT_EQ(std::get<dockerfile::Run>(run.body).command.words, Words{"echo"});
}

TEST(Instructions, CopyTakesAllFlags) {
  const Instruction instruction =
      one("COPY --from=b --chown=1:2 --chmod=755 --link --parents=true --exclude=*.o --exclude=x a b /c/");
  const Copy& copy = std::get<Copy>(instruction.body);
  EXPECT_EQ(copy.from, "b");
  EXPECT_EQ(copy.chown, "1:2");
  EXPECT_EQ(copy.chmod, "755");
  EXPECT_TRUE(copy.link);
  EXPECT_TRUE(copy.parents);
  EXPECT_EQ(copy.excludes, (Words{"*.o", "x"}));
  EXPECT_EQ(copy.transfer.sources, (Words{"a", "b"}));
  EXPECT_EQ(copy.transfer.destination, "/c/");
}

TEST(Instructions, AddTakesAllFlags) {
  const Instruction instruction =
      one("ADD --keep-git-dir=false --unpack --checksum=sha256:1 --link=false [\"a b\", \"/c\"]");
  const Add& add = std::get<Add>(instruction.body);
  EXPECT_EQ(add.keep_git_dir, false);
  EXPECT_EQ(add.unpack, true);
  EXPECT_EQ(add.checksum, "sha256:1");
  EXPECT_FALSE(add.link);
  EXPECT_EQ(add.transfer.sources, Words{"a b"});
}

TEST(Instructions, HeredocsBecomeFiles) {
  const Instruction instruction = one("COPY <<-a x <<'b' /c/\n\tone\na\ntwo $x\nb\n");
  const Transfer& transfer = std::get<Copy>(instruction.body).transfer;
  EXPECT_EQ(transfer.sources, Words{"x"});
  ASSERT_EQ(transfer.files.size(), 2u);
  EXPECT_EQ(transfer.files[0].content, "one\n");
  EXPECT_TRUE(transfer.files[0].expand);
  EXPECT_EQ(transfer.files[1].name, "b");
  EXPECT_FALSE(transfer.files[1].expand);
}

TEST(Instructions, PairsComeInTwoForms) {
  const Instruction new_form = one("ENV a=1 b=\"x y\" c=d\\ e");
  const auto& pairs = std::get<Env>(new_form.body).pairs;
  ASSERT_EQ(pairs.size(), 3u);
  EXPECT_EQ(pairs[1].value, "\"x y\"");
  EXPECT_EQ(pairs[2].value, "d\\ e");
  const Instruction old_form = one("LABEL a  b = c");
  const auto& old_pairs = std::get<Label>(old_form.body).pairs;
  ASSERT_EQ(old_pairs.size(), 1u);
  EXPECT_EQ(old_pairs[0].value, "b = c");
  EXPECT_FALSE(old_pairs[0].delimited);
}

TEST(Instructions, HealthcheckHasAllForms) {
  EXPECT_EQ(std::get<Healthcheck>(one("HEALTHCHECK NONE").body).test, Words{"NONE"});
  EXPECT_EQ(std::get<Healthcheck>(one("HEALTHCHECK CMD a b").body).test, (Words{"CMD-SHELL", "a b"}));
  const Instruction instruction =
      one("HEALTHCHECK --interval=1m30s --timeout=2s --start-period=0s --start-interval=5ms --retries=3 cmd "
          "[\"a\"]");
  const Healthcheck& check = std::get<Healthcheck>(instruction.body);
  EXPECT_EQ(check.test, (Words{"CMD", "a"}));
  EXPECT_EQ(check.interval, std::chrono::seconds(90));
  EXPECT_EQ(check.start_interval, std::chrono::milliseconds(5));
  EXPECT_EQ(check.retries, 3);
}

TEST(Instructions, OnbuildKeepsItsTrigger) {
  EXPECT_EQ(std::get<Onbuild>(one("onbuild  RUN a  b").body).expression, "RUN a  b");
  EXPECT_EQ(std::get<Onbuild>(one("ONBUILD COPY <<x /y\nz\nx\n").body).expression, "COPY <<x /y\nz\nx");
}

TEST(Instructions, RunFlagsAreChecked) {
  const Instruction instruction =
      one("RUN --mount=type=$t,from=b --mount=type=tmpfs,target=/x --network=none --security=insecure "
          "--device=gpu,required x");
  const dockerfile::Run& run = std::get<dockerfile::Run>(instruction.body);
  EXPECT_EQ(run.mounts.size(), 2u);
  EXPECT_EQ(run.mounts[0].from, "b");
  EXPECT_EQ(run.network, "none");
  EXPECT_EQ(run.security, "insecure");
  ASSERT_EQ(run.devices.size(), 1u);
  EXPECT_TRUE(run.devices[0].required);
  EXPECT_EQ(run.flags_used, (Words{"device", "mount", "network", "security"}));
}

TEST(Instructions, ErrorsNameThePlaceAndTheRemedy) {
  const std::pair<const char*, const char*> rows[] = {
      {"FROM a\nCOPPY a b", "Dockerfile:2:1: unknown instruction COPPY; did you mean COPY?"},
      {"FROM a\ncopyy a b", "Dockerfile:2:1: unknown instruction copyy; did you mean copy?"},
      {R"(FROM a
COPY a \
  b
COPY --form=x a b)",
       "Dockerfile:4:6: unknown flag --form for COPY; did you mean --from?"},
      {"FROM a\nADD --chmod a b", "Dockerfile:2:5: missing a value on flag --chmod; write --chmod=<value>"},
      {"FROM a\nCOPY --link=maybe a b", "Dockerfile:2:6: flag --link is true or false, not maybe; "},
      {"FROM a\nCOPY --chown=a --chown=b c d", "Dockerfile:2:16: duplicate flag --chown; remove one of them"},
      {"FROM a\nUSER --x=y z", "Dockerfile:2:6: unknown flag --x for USER; USER takes no flags"},
      {"FROM a\nRUN --network=fast x",
       "Dockerfile:2:5: invalid network mode \"fast\"; use default, none or host"},
      {"FROM a\nENV a", "Dockerfile:2:5: ENV must have two arguments; write ENV a=<value>"},
      {"FROM a\nENV a=b c",
       "Dockerfile:2:5: can't find = in \"c\"; write name=value, and quote a value that contains blanks"},
      {"FROM a b",
       "Dockerfile:1:6: FROM requires either one or three arguments, found 2; write FROM <image> or FROM "
       "<image> AS <name>"},
      {"FROM a AS 1b",
       "Dockerfile:1:6: invalid name for build stage: \"1b\"; begin the name with a letter, and use letters, "
       "digits, '-', '_' and '.' only"},
      {"RUN x\nFROM a",
       "Dockerfile:1:1: no build stage in current context: RUN precedes the first FROM; move it below FROM: "
       "only ARG may precede it"},
      {"ARG a", "Dockerfile: the file has no stage to build; add a FROM instruction"},
      {"FROM a\nSHELL bash",
       "Dockerfile:2:7: SHELL requires the arguments to be in JSON form; write for example SHELL "
       "[\"/bin/bash\", \"-c\"]"},
      {"FROM a\nHEALTHCHECK --interval=1x CMD y",
       "Dockerfile:2:13: invalid duration \"1x\" for --interval; write for example 30s or 1m30s"},
      {"FROM a\nONBUILD ONBUILD RUN x",
       "Dockerfile:2:9: chaining ONBUILD via ONBUILD ONBUILD isn't allowed; "},
      {"FROM a\nONBUILD FROM x", "Dockerfile:2:9: FROM isn't allowed as an ONBUILD trigger; "},
      {R"(FROM a
COPY a <<b
b
)",
       "Dockerfile:2:6: COPY cannot accept a heredoc as a destination; "},
      {"FROM a\nRUN --mount=from=$x y",
       "Dockerfile:2:5: 'from' doesn't support variable expansion; define a stage with FROM $x AS <name> and "
       "use its name"},
  };
  for (const auto& [text, expected] : rows)
    EXPECT_EQ(error_of(text), expected) << text;
}

TEST(Instructions, WordsHavePositions) {
  const Dockerfile file = parse_dockerfile("FROM a\n\tcopy é copy \\\n # $x\n  $xy ${x}/b $x copyx");
  const auto place = [&](std::string_view text) {
    const Position found = place_of(*file.source, file.stages[0].instructions[0], text);
    return std::to_string(found.line) + ":" + std::to_string(found.column);
  };
  EXPECT_EQ(place("copy"), "2:10");
  EXPECT_EQ(place("$x"), "4:14");
  EXPECT_EQ(place("${x}"), "4:7");
  EXPECT_EQ(place("none"), "2:2");
  EXPECT_EQ(place(""), "2:2");
}

TEST(Instructions, TriggersAreSingleInstructions) {
  const Dockerfile file = parse_dockerfile("\n\nFROM a");
  const Instruction& from = file.stages[0].from;
  const Instruction instruction = parse_onbuild("COPY <<x /y\nz\nx", *file.source, from);
  EXPECT_EQ(instruction.lines, (LineRange{3, 3}));
  EXPECT_EQ(std::get<Copy>(instruction.body).transfer.files.at(0).content, "z\n");
  EXPECT_THROW(parse_onbuild("RUN a\nRUN b", *file.source, from), SourceError);
  EXPECT_THROW(parse_onbuild("FROM b", *file.source, from), SourceError);
  EXPECT_THROW(parse_onbuild("NOPE b", *file.source, from), SourceError);
}

Mount mount(std::string_view text) {
  return parse_mount(text, [](std::string_view value) { return std::string(value); });
}

TEST(Mounts, HaveDefaultsByType) {
  EXPECT_TRUE(mount("target=/x").read_only);
  EXPECT_FALSE(mount("type=cache,target=/x").read_only);
  EXPECT_TRUE(mount("type=cache,target=/x,ro").read_only);
  EXPECT_FALSE(mount("target=/x,rw").read_only);
  EXPECT_TRUE(mount("target=/x,readwrite=false").read_only);
  EXPECT_EQ(mount("type=tmpfs,target=/x,size=1.5k").size, 1536);
  EXPECT_EQ(mount("type=tmpfs,target=/x,size=2MiB").size, 2 << 20);
  EXPECT_EQ(mount("type=cache,sharing=private,target=/x").sharing, Mount::Sharing::exclusive);
  EXPECT_EQ(mount("type=secret,id=a,mode=0444,uid=7").mode, 0444u);
  EXPECT_EQ(mount("type=secret,id=a,env=").env, "");
  EXPECT_EQ(mount("\"source=a,b\",target=/x").source, "a,b");
}

TEST(Mounts, RefuseOptionsOfOtherTypes) {
  for (const char* text :
       {"type=bnd,target=/x", "target=/x,mode=1", "type=secret", "type=secret,id=a,from=b",
        "type=cache,size=1", "size=1x,type=tmpfs", "type=tmpfs,size=1x", "sharing=locked,target=/x",
        "type=secret,source=a,id=b", "tagret=/x", "loose", "required,target=/x", "type=secret,id=a,uid=-1",
        "type=ssh,source=/x", "\"open", "a\"b=c"}) {
    EXPECT_THROW(mount(text), FieldError) << text;
  }
}

}  // namespace
}  // namespace bottle::dockerfile
