// SPDX-License-Identifier: Apache-2.0
// The image configuration as instructions change it (OCI image-spec, config.md; what each instruction does to
// it: Dockerfile reference and, where that is silent, BuildKit's frontend).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "dockerfile/instructions.hpp"
#include "dockerfile/platform.hpp"
#include "dockerfile/scope.hpp"
#include "dockerfile/words.hpp"

namespace bottle {
class JsonView;
}

namespace bottle::image {
inline namespace model {

class ImageConfig {
 public:
  // FROM scratch: the default PATH and nothing else.
  ImageConfig(const oci::Platform& platform, std::int64_t epoch);
  // An outside base's configuration (JSON text), read as oci/config_members.hpp says; `name` is the place in
  // errors. Its ONBUILD triggers are taken out: see triggers(). A base without WorkingDir stays without one.
  ImageConfig(const std::string& text, const std::string& name, std::int64_t epoch);

  // Applies an expanded instruction and adds its line to the history. COPY, ADD and RUN only add the line.
  void apply(const dockerfile::Instruction& expanded, const dockerfile::Scope& scope);
  void set_label(const std::string& name, const std::string& value);

  // For the stages that start from this one.
  const std::vector<std::string>& triggers() const { return triggers_; }
  void start_stage();  // a stage that starts from here runs the triggers, so they are its own no more

  std::string workdir() const;
  std::string user() const;
  std::vector<std::string> shell() const;
  dockerfile::Environment environment() const;
  oci::Platform platform() const;

  // Canonical JSON text (keys sorted, no blanks): Plan::config.
  std::string text() const;

 private:
  void take_platform(const JsonView& view);
  void take_history();
  std::vector<std::string> strings(const char* key) const;
  void set_list(const char* key, const std::vector<std::string>& values);
  void set_variable(const std::string& name, const std::string& value);
  void add_history(const dockerfile::Instruction& expanded, const dockerfile::Scope& scope);

  nlohmann::json image_;
  std::string created_;
  std::vector<std::string> triggers_;
  bool cmd_set_ = false;
};

}  // namespace model
}  // namespace bottle::image
