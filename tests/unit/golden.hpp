// SPDX-License-Identifier: Apache-2.0
// A whole document that a test expects: a file below tests/golden/unit, compared byte for byte.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace bottle {

// The content of tests/golden/unit/<name>, empty if there is no such file. With BOTTLE_ACCEPT=1 in the
// environment, the file is written with `actual` before, for a review of the difference.
inline std::string golden(const std::string& name, const std::string& actual) {
  const std::string path = BOTTLE_SOURCE_DIR "/tests/golden/unit/" + name;
  const char* accept = std::getenv("BOTTLE_ACCEPT");
  if (accept && std::string(accept) == "1") std::ofstream(path, std::ios::binary) << actual;
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace bottle
