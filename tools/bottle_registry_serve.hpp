// `bottle-registry serve` (docs/tools/bottle-registry-serve.md).
#pragma once

#include <memory>

namespace CLI {
class App;
}

namespace bottle {

struct CommonOptions;

class ServeCommand {
 public:
  // Adds the sub-command to `app`.
  ServeCommand(CLI::App& app, const CommonOptions& common);
  ~ServeCommand();

  bool parsed() const;
  int run();  // until it is told to end

 private:
  struct Options;
  std::unique_ptr<Options> options_;
};

}  // namespace bottle
