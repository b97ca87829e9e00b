// SPDX-License-Identifier: Apache-2.0
// Gives every file of a directory to a fuzzer's function, without libFuzzer: any compiler, and any sanitizer,
// can replay what fuzzing has found.
//
//   fuzz-replay-<name> DIRECTORY
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include "util/error.hpp"
#include "util/file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fuzz-replay DIRECTORY\n", stderr);
    return 2;
  }
  std::size_t count = 0;
  try {
    for (const auto& file : std::filesystem::directory_iterator(argv[1])) {
      // Named before, since a finding ends the program.
      std::printf("%s\n", file.path().c_str());
      std::fflush(stdout);
      const std::string text = bottle::read_file(file.path());
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
      ++count;
    }
  } catch (const std::exception& error) {
    std::printf("finding: %s\n", error.what());
    return 1;
  }
  std::printf("%zu inputs\n", count);
  return count == 0 ? 1 : 0;
}
