// SPDX-License-Identifier: Apache-2.0
// The first build with a source: a source without an entry in bottle.lock is resolved as
// `bottle-lock update` does, and added. Existing entries are never changed.
#pragma once

#include <functional>
#include <string>

#include "dockerfile/git_source.hpp"
#include "image/model/lock.hpp"
#include "image/model/spec.hpp"
#include "image/remote/access.hpp"
#include "image/remote/source_lock.hpp"
#include "oci/reference.hpp"
#include "store/store.hpp"

namespace bottle::image::remote {

// The setting that forbids a build to add sources to the lock, for example "CI=true in the environment"; ""
// if nothing does. The specification decides, else BOTTLE_LOCKED, else CI of the environment.
std::string lock_is_frozen_by(const BuildSpec& spec);

class FirstLock {
 public:
  using Say = std::function<void(const std::string&)>;

  // `say` gets a line for each added source.
  FirstLock(LockFile& file, store::Store store, const RemoteAccess& access, Say say)
      : file_(file), store_(std::move(store)), access_(access), say_(std::move(say)) {}

  // Each resolves the source over the network. Throws naming the source or the lock.
  LockedImage image(const oci::Reference& reference);
  LockedUrl url(const std::string& name, const std::string& url);
  LockedGit git(const std::string& name, const dockerfile::GitSource& source);

  bool has_added() const { return has_added_; }

 private:
  template <typename Type>
  Type add(const std::string& name, const Type& found);

  LockFile& file_;
  store::Store store_;
  const RemoteAccess& access_;
  Say say_;
  bool has_added_ = false;
};

}  // namespace bottle::image::remote
