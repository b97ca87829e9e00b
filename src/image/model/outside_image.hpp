// SPDX-License-Identifier: Apache-2.0
// Images that come from outside the Dockerfile: another bottle's plan, an OCI image layout, a `docker save`
// archive.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dockerfile/platform.hpp"
#include "image/model/plan.hpp"
#include "image/model/spec.hpp"
#include "store/store.hpp"

namespace bottle::image {
inline namespace model {

class OutsideImage {
 public:
  virtual ~OutsideImage() = default;
  virtual const std::string& config() const = 0;           // the OCI image configuration, JSON text
  virtual std::string name() const = 0;                    // for messages
  virtual std::string identity() const = 0;                // for keys: a digest, with what it is a digest of
  virtual std::vector<fs::path> dependencies() const = 0;  // files whose change may change the above
  // What finding its bytes needs here: see LoadedPlan.
  virtual std::map<std::string, fs::path> context_roots() const { return {}; }
  virtual std::vector<fs::path> blob_directories() const { return {}; }
  // The diff IDs of its layers, where they alone decide entries and places: then what is on top of it can be
  // looked up without loading it.
  virtual std::optional<std::vector<Digest>> diff_ids() const { return std::nullopt; }
  // The plan, where it is known without loading.
  virtual const LoadedPlan* plan() const { return nullptr; }
  // A digest of where the bytes of its files lie, where that is not part of the identity and can change.
  virtual std::string places() const { return {}; }
  // The keys of what the store keeps of it, whether it is there now or not: to find it without a network.
  virtual std::vector<Digest> actions() const { return {}; }
  // Its layers, brought into the store if they are not there. Every digest and size is checked on the way.
  virtual LoadedPlan load(const store::Store& store) const = 0;
};

// Opens the context; reads no layer. Throws naming the context's path when there is no image, a part of it is
// missing or altered, or it has none for the platform.
std::unique_ptr<OutsideImage> open_outside(const ContextSpec& context, const oci::Platform& platform);

}  // namespace model
}  // namespace bottle::image
