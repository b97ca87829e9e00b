// Where an instruction takes files from.
#pragma once

#include <cstddef>
#include <string>

namespace bottle::image {
inline namespace model {

struct FileSource {
  enum class Kind { scan, stage, image } kind = Kind::scan;
  std::string name;     // of the context: "context", "context:<name>"; of the image
  std::size_t set = 0;  // scan: which set of the scan
  int stage = -1;
};

}  // namespace model
}  // namespace bottle::image
