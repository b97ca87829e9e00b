// SPDX-License-Identifier: Apache-2.0
#include "util/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>

#include "util/error.hpp"

namespace bottle {
namespace {

using ::testing::HasSubstr;

TEST(Process, GivesOutputAndStatus) {
  std::string streamed;
  const ProcessResult finished = run_program(
      {.arguments = {"sh", "-c", "echo out; echo err >&2; exit 3"}, .environment = {}, .directory = {}},
      [&](std::string_view text) { streamed += text; });
  EXPECT_EQ(finished.status.code, 3);
  EXPECT_FALSE(finished.status.success());
  EXPECT_EQ(finished.status.text(), "exit code 3");
  EXPECT_EQ(finished.output, "out\nerr\n");
  EXPECT_EQ(streamed, finished.output);
}

TEST(Process, PassesArgumentsAsTheyAre) {
  const std::string odd = "a b; $(echo c) \"'\n";
  const ProcessResult finished =
      run_program({.arguments = {"printf", "%s|", odd, ""}, .environment = {}, .directory = {}});
  EXPECT_EQ(finished.output, odd + "||");
}

TEST(Process, EnvironmentAndDirectoryAreSet) {
  const ProcessResult finished = run_program({.arguments = {"/bin/sh", "-c", "echo $ONLY $HOME; pwd"},
                                              .environment = std::vector<std::string>{"ONLY=this"},
                                              .directory = "/"});
  EXPECT_EQ(finished.output, "this\n/\n");
}

TEST(Process, NamesTheProgramThatIsMissing) {
  try {
    run_program({.arguments = {"no-such-program-anywhere"}, .environment = {}, .directory = {}});
    FAIL() << "it was started";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no-such-program-anywhere"));
  }
  EXPECT_FALSE(find_program("no-such-program-anywhere"));
  EXPECT_TRUE(find_program("sh"));
}

TEST(Process, SignalIsReported) {
  const ProcessResult finished =
      run_program({.arguments = {"sh", "-c", "kill -9 $$"}, .environment = {}, .directory = {}});
  EXPECT_EQ(finished.status.signal_number, SIGKILL);
  EXPECT_THAT(finished.status.text(), HasSubstr("killed by signal 9"));
}

TEST(Process, FileSizeLimitEndsTheProcess) {
  const TemporaryDirectory directory;
  Command command;
  command.arguments = {"sh", "-c", "exec head -c \"$0\" /dev/zero >file", "1000"};
  command.directory = directory.path();
  command.largest_file = 1000;
  EXPECT_TRUE(run_program(command).status.success());
  command.arguments.back() = "1001";
  EXPECT_EQ(run_program(command).status.signal_number, SIGXFSZ);
  EXPECT_EQ(fs::file_size(directory.path() / "file"), 1000u);
}

TEST(Process, KillsTheWholeGroup) {
  Pipe pipe = make_pipe();
  std::string text;
  {
    const Child child = start({.arguments = {"sh", "-c", "sleep 1000 & echo $!; exec >&- 2>&-; wait"},
                               .environment = {},
                               .directory = {},
                               .output = pipe.writer.get()});
    pipe.writer.reset();
    std::array<std::byte, 1> byte{};
    while (read_some(pipe.reader.get(), byte, "pipe") == 1 && byte[0] != std::byte{'\n'})
      text += static_cast<char>(byte[0]);
  }
  // The grandchild held the pipe open; its end is when the pipe's comes.
  drain(pipe.reader.get(), [](std::string_view) {});
  EXPECT_FALSE(text.empty());
}

}  // namespace
}  // namespace bottle
