// SPDX-License-Identifier: Apache-2.0
#include "explain/key_text.hpp"

#include "util/digest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bottle::explain {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> differences(const std::string& before, const std::string& after) {
  return sentences(compare_key_texts(before, after));
}

std::string file(const std::string& size, const std::string& content, const std::string& mode = "644") {
  return "f " + mode + " " + size + " " + sha256(content).hex();
}

TEST(CompareKeyTexts, EqualTextsHaveNoDifference) {
  EXPECT_THAT(differences("tool = a\n", "tool = a\n"), IsEmpty());
  EXPECT_THAT(differences("", ""), IsEmpty());
}

TEST(CompareKeyTexts, DifferencesAreData) {
  const auto changes =
      compare_key_texts("argument A = 1\nargument B = 2\n", "argument B = 3\nargument C%20D = = x\n");
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].kind, Change::Kind::removed);
  EXPECT_THAT(changes[0].subject, ElementsAre("argument", "A"));
  EXPECT_EQ(changes[0].old_value, "1");
  EXPECT_EQ(changes[1].kind, Change::Kind::changed);
  EXPECT_EQ(changes[1].old_value, "2");
  EXPECT_EQ(changes[1].new_value, "3");
  EXPECT_EQ(changes[2].kind, Change::Kind::added);
  EXPECT_THAT(changes[2].subject, ElementsAre("argument", "C D"));
  EXPECT_EQ(changes[2].new_value, "= x");
}

TEST(CompareKeyTexts, OrdersByLikelyCause) {
  EXPECT_THAT(differences("input context a = l x\nstep 001 base = FROM a\ntool = bottle 0.1.0\n",
                          "input context a = l y\nstep 001 base = FROM b\ntool = bottle 0.2.0\n"),
              ElementsAre("tool changed bottle 0.1.0 -> bottle 0.2.0",
                          "Dockerfile step 1 (FROM b) of stage base changed from: FROM a",
                          "context symbolic link a changed (x -> y)"));
}

TEST(CompareKeyTexts, NamesFilesAndTheirDifference) {
  const std::string path = "input context src/hello.c = ";
  EXPECT_THAT(differences(path + file("12", "a") + "\n", path + file("15", "b") + "\n"),
              ElementsAre("context file src/hello.c changed (12 -> 15 bytes)"));
  EXPECT_THAT(differences(path + file("12", "a") + "\n", path + file("12", "b") + "\n"),
              ElementsAre("context file src/hello.c changed (same size of 12 bytes)"));
  EXPECT_THAT(differences(path + file("12", "a") + "\n", path + file("12", "a", "755") + "\n"),
              ElementsAre("context file src/hello.c changed (mode 644 -> 755)"));
  EXPECT_THAT(differences(path + file("12", "a") + "\n", path + file("15", "b", "755") + "\n"),
              ElementsAre("context file src/hello.c changed (12 -> 15 bytes, mode 644 -> 755)"));
  EXPECT_THAT(differences(path + "d 755\n", path + "d 700\n"),
              ElementsAre("context directory src/hello.c changed (mode 755 -> 700)"));
  EXPECT_THAT(differences(path + "d 755\n", path + "l x%20y\n"),
              ElementsAre("context symbolic link src/hello.c changed (was a directory, is a symbolic link)"));
  EXPECT_THAT(differences("", path + file("12", "a") + "\n"), ElementsAre("context file src/hello.c added"));
  EXPECT_THAT(differences(path + file("12", "a") + "\n", ""),
              ElementsAre("context file src/hello.c removed"));
  EXPECT_THAT(differences(path + file("12", "a") + " user.x=1\n", path + file("12", "a") + " user.x=2\n"),
              ElementsAre("context file src/hello.c changed (extended attributes)"));
}

TEST(CompareKeyTexts, NamesOtherContextsAndEscapedPaths) {
  EXPECT_THAT(differences("", "input context:app my%20file = d 755\n"),
              ElementsAre("context app directory \"my file\" added"));
}

TEST(CompareKeyTexts, AnInsertedStepIsOneAddition) {
  EXPECT_THAT(
      differences("step 001 base = FROM scratch\nstep 002 base = COPY a /\nstep 003 base = COPY b /\n",
                  "step 001 base = FROM scratch\nstep 002 base = COPY a /\nstep 003 base = ENV X=1\n"
                  "step 004 base = COPY b /\n"),
      ElementsAre("Dockerfile step 3 (ENV X=1) of stage base added"));
  EXPECT_THAT(differences("step 001 a = FROM x\nstep 002 a = COPY a /\nstep 003 a = COPY b /\n",
                          "step 001 a = FROM x\nstep 002 a = COPY b /\n"),
              ElementsAre("Dockerfile step 2 (COPY a /) of stage a removed"));
}

TEST(CompareKeyTexts, AChangedStepIsPairedWithItsOldForm) {
  EXPECT_THAT(differences("step 001 a = FROM x\nstep 002 a = ENV A=1\nstep 003 a = COPY a /\n",
                          "step 001 a = FROM x\nstep 002 a = LABEL l=1\nstep 003 a = COPY a /bin/\n"),
              ElementsAre("Dockerfile step 2 (ENV A=1) of stage a removed",
                          "Dockerfile step 2 (LABEL l=1) of stage a added",
                          "Dockerfile step 3 (COPY a /bin/) of stage a changed from: COPY a /"));
}

TEST(CompareKeyTexts, ManyStepsAreComparedByNumber) {
  std::string before;
  for (int i = 1; i <= 3000; ++i)
    before += "step " + std::to_string(i) + " a = ENV A=" + std::to_string(i) + "\n";
  std::string after = before;
  after.replace(after.find("A=2999"), 6, "A=0");
  EXPECT_THAT(differences(before, after),
              ElementsAre("Dockerfile step 2999 (ENV A=0) of stage a changed from: ENV A=2999"));
}

TEST(CompareKeyTexts, NamesBasesAndOptions) {
  const std::string one = sha256("1").hex();
  const std::string two = sha256("2").hex();
  EXPECT_THAT(differences("source base = plan sha256:" + one + " places " + one + "\n",
                          "source base = plan sha256:" + two + " places " + two + "\n"),
              ElementsAre("base bottle base changed plan sha256:" + one.substr(0, 12) + " places " +
                          one.substr(0, 12) + " -> plan sha256:" + two.substr(0, 12) + " places " +
                          two.substr(0, 12)));
  EXPECT_THAT(differences("option cpus = 2\nplan = sha256:" + one + "\n",
                          "option cpus = 4\nplan = sha256:" + two + "\n"),
              ElementsAre("pack option cpus changed 2 -> 4", "the image changed sha256:" + one.substr(0, 12) +
                                                                 " -> sha256:" + two.substr(0, 12)));
  EXPECT_THAT(differences("", "argument GREETING = hello\n"),
              ElementsAre("build argument GREETING added: hello"));
  EXPECT_THAT(differences("secret token = \n", ""), ElementsAre("secret token removed"));
}

TEST(CompareKeyTexts, InvalidLinesAreComparedAsText) {
  EXPECT_THAT(differences("no equals sign\n", "step x y = 1\n\xff = 2"),
              ElementsAre("step x y added: 1", "no equals sign removed", "\xff added: 2"));
}

TEST(Sentences, FilesOfAContextAreLimitedAndCounted) {
  std::string before;
  std::string after;
  for (int i = 100; i < 150; ++i) {
    before += "input context " + std::to_string(i) + " = d 755\n";
    after += "input context " + std::to_string(i) + " = d 700\n";
  }
  after += "input context new = d 755\n";
  const auto lines = sentences(compare_key_texts(before, after), 10);
  ASSERT_EQ(lines.size(), 11u);
  EXPECT_EQ(lines.back(), "... and 41 further files of the context (1 added, 40 changed)");
}

TEST(Sentences, LongValuesAreCutBetweenCharacters) {
  std::string value;
  for (int i = 0; i < 60; ++i)
    value += "\xc3\xa4";
  const auto lines = differences("", "argument A = x" + value + "\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].ends_with("\xc3\xa4..."));
}

}  // namespace
}  // namespace bottle::explain
