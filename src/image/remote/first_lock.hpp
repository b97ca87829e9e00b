// The first build with a source: what bottle.lock does not have yet is resolved as `bottle-lock update`
// would, and added to it. An entry that is there is never changed.
#pragma once

#include <functional>
#include <string>

#include "dockerfile/git_source.hpp"
#include "image/model/lock.hpp"
#include "image/model/spec.hpp"
#include "image/remote/access.hpp"
#include "image/remote/source_lock.hpp"
#include "registry/reference.hpp"
#include "store/store.hpp"

namespace bottle::image::remote {

// What forbids a build to add sources to the lock, as "CI=true in the environment"; "" if nothing does. The
// specification decides, else BOTTLE_LOCKED, else CI of the environment.
std::string lock_is_frozen_by(const BuildSpec& spec);

class FirstLock {
 public:
  using Say = std::function<void(const std::string&)>;

  // `say` is given a line for each source that was added.
  FirstLock(LockFile& file, store::Store store, const RemoteAccess& access, Say say)
      : file_(file), store_(std::move(store)), access_(access), say_(std::move(say)) {}

  // Each asks the network, and throws naming the source or the file.
  LockedImage image(const registry::Reference& reference);
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
