// SPDX-License-Identifier: Apache-2.0
// How long it takes to understand Dockerfiles: parse, plan the stages, expand every instruction that the last
// stage needs.
//
//   bottle-bench-plan ROUNDS FILE...
//
// Prints one JSON object: files, lines, refused (files that are errors without the build's arguments), and
// the milliseconds of each round for all files together.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "dockerfile/instructions.hpp"
#include "dockerfile/scope.hpp"
#include "dockerfile/stages.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

using namespace bottle::dockerfile;

namespace {

std::size_t understand(const std::string& text) {
  const BuildValues values;
  const Dockerfile file = parse_dockerfile(text);
  const StagePlan plan = plan_stages(file, values, {});
  std::size_t instructions = 0;
  for (const int number : plan.needed) {
    Scope scope(*file.source, file.escape(), plan.globals, values);
    for (const PlannedInstruction& planned : plan.stages[static_cast<std::size_t>(number)].instructions) {
      scope.apply(scope.expand(planned.instruction).instruction);
      ++instructions;
    }
  }
  return instructions;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: bottle-bench-plan ROUNDS FILE...\n", stderr);
    return 2;
  }
  std::vector<std::string> texts;
  std::size_t lines = 0;
  try {
    for (int number = 2; number < argc; ++number) {
      texts.push_back(bottle::read_file(argv[number]));
      for (const char character : texts.back())
        lines += character == '\n' ? 1 : 0;
    }
  } catch (const bottle::Error& error) {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    return 1;
  }
  std::size_t refused = 0;
  std::size_t instructions = 0;
  std::string rounds;
  for (int round = std::atoi(argv[1]); round > 0; --round) {
    const auto begin = std::chrono::steady_clock::now();
    refused = instructions = 0;
    for (const std::string& text : texts) {
      try {
        instructions += understand(text);
      } catch (const bottle::Error&) {
        ++refused;
      }
    }
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
    rounds += (rounds.empty() ? "" : ", ") + std::to_string(taken.count());
  }
  std::printf(
      "{\"files\": %zu, \"lines\": %zu, \"instructions\": %zu, \"refused\": %zu, \"milliseconds\": [%s]}\n",
      texts.size(), lines, instructions, refused, rounds.c_str());
  return 0;
}
