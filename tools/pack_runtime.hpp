// bottle-pack runtime: what a build system needs to know of smolvm's agent root filesystem.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace bottle::tools {

struct RuntimeOptions {
  std::string directory;  // "": the places where smolvm looks
  std::string stamp;
  std::string result;
  std::string depfile;
  std::string store;

  CLI::App* add_to(CLI::App& app);
  // Prints the directory and its digest, or, with `result`, writes the digest there if it is another.
  int run(bool json) const;
};

}  // namespace bottle::tools
