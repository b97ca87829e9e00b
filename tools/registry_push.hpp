// SPDX-License-Identifier: Apache-2.0
// `bottle-registry push` (docs/tools/bottle-registry.md).
#pragma once

#include <string>
#include <vector>

#include "image/distribute.hpp"
#include "registry/push.hpp"
#include "registry_connection.hpp"
#include "util/command_line.hpp"

namespace bottle {
struct CommonOptions;
}

namespace bottle::tools {

struct PushCommand {
  Connection connection;
  std::vector<std::string> references;
  std::string layout;
  std::string image;
  std::string pack;
  std::string name;
  std::string compression = "gzip";
  int level = 0;
  std::string mount_from;
  std::string chunk_size;
  std::string result;
  std::string stamp;
  bool verify_remote = false;
  std::string store;
  bool index = false;

  Subcommand add_to(Subcommand app);
  int run(const CommonOptions& common);

 private:
  image::DistributeOptions distribute_options() const;
  std::string mount_source(const oci::Reference& target, const std::vector<oci::Reference>& done) const;
  // What a push with these options of this content comes to: what the stamp says.
  std::string stamp_text(const std::vector<oci::Reference>& targets, const std::string& content) const;
  bool is_stamped(const std::string& text) const;
  int say_stamped(const CommonOptions& common) const;
};

}  // namespace bottle::tools
