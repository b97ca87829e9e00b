// SPDX-License-Identifier: Apache-2.0
// Where an instruction takes files from.
#pragma once

#include <cstddef>
#include <string>
#include <variant>

namespace bottle::image {
inline namespace model {

struct ContextFiles {
  std::string context;  // "context", "context:<name>"
  std::size_t set = 0;  // what the scan of the context calls the files that are taken
};

struct StageFiles {
  int stage = 0;
};

struct ImageFiles {
  std::string image;  // its name among the outside images
};

using FileSource = std::variant<ContextFiles, StageFiles, ImageFiles>;

}  // namespace model
}  // namespace bottle::image
