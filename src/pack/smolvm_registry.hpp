// SPDX-License-Identifier: Apache-2.0
// A registry for as long as smolvm needs one: it takes images from nowhere else. It listens on the loopback
// only, and is gone with the object that stands for it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "store/store.hpp"
#include "util/file.hpp"

namespace bottle::pack {

class PackRegistry {
 public:
  virtual ~PackRegistry() = default;
  // "localhost:<port>/bottle/<slug>:<tag>".
  virtual std::string reference() const = 0;
};

struct PackRegistryRequest {
  fs::path layout;  // an image layout with one image, named by `tag`
  std::string slug;
  std::string tag;
  fs::path build_directory;  // where it is written down what a killed build leaves
};

// In this process, over the layout's files.
std::unique_ptr<PackRegistry> serve_layout(const PackRegistryRequest& request);

// A container of `image` ("registry@sha256:..."), with Docker on this machine, and a push into it.
std::unique_ptr<PackRegistry> run_registry_container(const PackRegistryRequest& request,
                                                     const std::string& image, const store::Store& store);

}  // namespace bottle::pack
