// SPDX-License-Identifier: Apache-2.0
// What smolvm writes, taken apart.
#include "pack/smolvm_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bottle::pack {
namespace {

using ::testing::ElementsAre;

TEST(SmolvmOutput, RedrawnProgressBecomesLines) {
  std::vector<std::string> lines;
  SmolvmOutput output([&](const std::string& line) { lines.push_back(line); });
  // In pieces as a pipe gives them: a sequence may be cut anywhere.
  for (const char* piece :
       {"Starting agent VM...\n\r\x1b", "[K| Assem", "bling\r\x1b[", "K| Assembling\r\x1b[K/ Assembling",
        "\r\x1b[KAssembling done\n\n  Layer 1/1: 3 MB done\n", "\x07\x1b]no end"})
    output.take(piece);
  output.finish();
  EXPECT_THAT(lines, ElementsAre("Starting agent VM...", "| Assembling", "/ Assembling", "Assembling done",
                                 "Layer 1/1: 3 MB done", "no end"));
  EXPECT_EQ(output.complaint(), "no end");
}

TEST(SmolvmOutput, ErrorIsTheLastMessage) {
  SmolvmOutput output([](const std::string&) {});
  output.take("Pulling\r\x1b[K- assemblingError: no such image\nsome advice\n");
  output.finish();
  EXPECT_EQ(output.complaint(), "no such image");
}

TEST(Smolvm, CommandLineHasAllOptions) {
  EXPECT_THAT(smolvm_arguments({.reference = "localhost:1/a:b",
                                .cpus = 2,
                                .memory_mib = 64,
                                .platform = "linux/arm64",
                                .entrypoint = "/x y",
                                .output = "/o/a"}),
              ElementsAre("smolvm", "pack", "create", "--image", "localhost:1/a:b", "-o", "/o/a", "--cpus",
                          "2", "--mem", "64", "--oci-platform", "linux/arm64", "--entrypoint", "/x y"));
}

}  // namespace
}  // namespace bottle::pack
