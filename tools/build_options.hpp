// SPDX-License-Identifier: Apache-2.0
// The options that say what to build, shared by bottle-fingerprint, bottle-image and bottle-lock.
#pragma once

#include <string>
#include <vector>

#include "image/model/spec.hpp"
#include "util/command_line.hpp"

namespace bottle::tools {

struct BuildOptions {
  // What an argument without an option is: the context of a build, or what a build has left: a directory with
  // spec.json or image.json, or a specification file.
  enum class Place { context, built };

  std::string place;
  Place kind = Place::context;
  std::string spec;
  std::string out;
  std::string file;
  std::string context;
  std::string target;
  std::string platform;
  std::string tag;
  std::string engine;  // "": as the environment says, else builtin
  std::vector<std::string> engine_options;
  std::string store;
  std::string lock;
  bool locked = false;
  std::vector<std::string> build_args;
  std::vector<std::string> labels;
  std::vector<std::string> contexts;
  std::vector<std::string> excludes;
  std::vector<std::string> secrets;
  std::vector<std::string> agents;
  std::vector<std::string> allowed;
  std::string network;
  std::string shm_size;
  std::vector<std::string> ulimits;
  std::vector<std::string> hosts;
  std::string isolation;
  bool debug_shell = false;
  bool git_modes = false;

  void add_to(Subcommand app, Place positional = Place::context);
  bool has_directory() const {
    return !spec.empty() || !out.empty() || (kind == Place::built && !place.empty());
  }
  // `key.stamp` in the directory, by the path that the caller wrote: build tools compare targets as text.
  std::string stamp_as_written() const;
  // Reads the specification file, or makes one of the other options. Throws UsageError for what does not fit
  // together.
  image::BuildSpec resolve() const;
};

// The specification file that `place` is, or that is in the directory `place`; "" if there is none.
std::string specification_in(const std::string& place);

}  // namespace bottle::tools
