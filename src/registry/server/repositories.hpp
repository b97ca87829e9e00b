// SPDX-License-Identifier: Apache-2.0
// Where the repositories of a server are.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/server/layout.hpp"
#include "store/store.hpp"

namespace bottle::registry {

// One of three: a root directory with one layout a repository ("library/debian" is the directory
// "library+debian": '+' is in no name), one layout that every name shows, or a store, whose blobs every name
// shows and which has no tags.
class Repositories {
 public:
  enum class Kind { root, layout, store };
  Repositories(Kind kind, fs::path directory, Durable durable);

  // nullptr if there is none of that name.
  std::shared_ptr<Layout> find(std::string_view name) const;
  // Makes it if it is missing. Not in a store.
  std::shared_ptr<Layout> make(std::string_view name);
  // Sorted. Empty where every name is good.
  std::vector<std::string> names() const;
  // Periodic cleanup of all layouts.
  std::vector<fs::path> directories() const;
  // Some repository that has the blob.
  std::shared_ptr<Layout> find_blob(const oci::ContentDigest& digest) const;

  // A blob of the repository, or of the store.
  std::optional<OpenBlob> open_blob(const Layout& layout, const oci::ContentDigest& digest) const;
  bool has_blob(const Layout& layout, const oci::ContentDigest& digest) const;

 private:
  std::shared_ptr<Layout> layout_of(const fs::path& directory) const;

  Kind kind_;
  fs::path directory_;
  Durable durable_;
  std::optional<store::Store> store_;
  mutable std::mutex mutex_;
  mutable std::map<fs::path, std::shared_ptr<Layout>> layouts_;
};

}  // namespace bottle::registry
