// SPDX-License-Identifier: Apache-2.0
// What a RUN instruction asks for, with all variables replaced.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dockerfile/instructions.hpp"
#include "image/model/file_source.hpp"
#include "image/model/run_settings.hpp"

namespace bottle::run {

struct RunMount {
  dockerfile::Mount mount;                  // as parsed
  std::string target;                       // absolute; "" for a secret that is a variable only, and for ssh
  std::string source = "/";                 // of bind and cache: the path in the tree that `from` is
  std::optional<image::FileSource> from{};  // of bind always, of cache if given
  std::string from_name{};  // of `from`, for the key: stages by number, since their names are not an input
};

struct RunRequest {
  std::vector<std::string> arguments;
  std::optional<dockerfile::InlineFile> script;                  // see dockerfile::RunCommand
  std::vector<std::pair<std::string, std::string>> environment;  // of the image and the ARGs
  std::vector<std::pair<std::string, std::string>> proxies;      // seen by the command, no input of the key
  std::string user;                                              // as USER says it; "" is root
  std::string workdir = "/";
  bool has_network = true;   // the host's
  bool is_insecure = false;  // --security=insecure
  image::RunSettings settings;
  std::vector<RunMount> mounts;

  // All that decides the result, on one line: part of the instruction's key.
  std::string text() const;
};

}  // namespace bottle::run
