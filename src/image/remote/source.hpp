// SPDX-License-Identifier: Apache-2.0
// The sources of an ADD that are not in a context: URLs and git repositories, resolved.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "dockerfile/git_source.hpp"
#include "image/model/lock.hpp"
#include "image/remote/access.hpp"
#include "image/remote/url.hpp"
#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"
#include "store/store.hpp"

namespace bottle::image::remote {

struct RemoteUrl {
  dockerfile::UrlSource source;
  UrlExpectation expected;  // its digest is known always
};
struct RemoteGit {
  dockerfile::GitSource source;
  LockedGit locked;
};

struct RemoteSource {
  std::size_t number = 0;  // among the sources of the instruction
  std::string name;        // without credentials
  std::variant<RemoteUrl, RemoteGit> what;

  // For keys: what its files are, however it is reached.
  std::string identity() const;
  // What of its tree is taken: the file, or everything.
  std::string path() const;
  Digest action() const;  // the key by which the store keeps it
  bool is_url() const { return std::holds_alternative<RemoteUrl>(what); }
};

// Its files as a layer, the bytes in the store; fetched if they are not there. Throws naming the source.
oci::LayerIndex fetch_source(const RemoteSource& source, const store::Store& store,
                             const RemoteAccess& access);

}  // namespace bottle::image::remote
