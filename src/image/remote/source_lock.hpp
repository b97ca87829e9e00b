// SPDX-License-Identifier: Apache-2.0
// Where what outside sources stand for comes from: the lock file in a build, the network in bottle-lock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dockerfile/git_source.hpp"
#include "image/model/lock.hpp"
#include "image/model/spec.hpp"
#include "oci/reference.hpp"

namespace bottle::image::remote {

class SourceLock {
 public:
  virtual ~SourceLock() = default;
  // By canonical names. nullopt: it is not locked.
  virtual std::optional<LockedImage> image(const oci::Reference& reference) = 0;
  virtual std::optional<LockedUrl> url(const std::string& name, const std::string& url) = 0;
  virtual std::optional<LockedGit> git(const std::string& name, const dockerfile::GitSource& source) = 0;
};

// bottle.lock, read when it is first asked.
class LockFile : public SourceLock {
 public:
  explicit LockFile(fs::path file) : file_(std::move(file)) {}

  std::optional<LockedImage> image(const oci::Reference& reference) override;
  std::optional<LockedUrl> url(const std::string& name, const std::string& url) override;
  std::optional<LockedGit> git(const std::string& name, const dockerfile::GitSource& source) override;

  // Adds an entry that the file did not have, and returns what it has afterwards: an entry that another
  // process added first stays as it is. Throws naming the file.
  template <typename Type>
  Type add(const std::string& name, const Type& source);

  // The file, or the directory that it would be in; nothing if it was not asked.
  std::vector<fs::path> dependencies() const;
  const fs::path& path() const { return file_; }

 private:
  template <typename Type>
  std::optional<Type> find(const std::string& name);

  fs::path file_;
  std::optional<Lock> lock_;
  bool exists_ = false;
};

// The command that locks a source of this bottle, to be pasted into a shell; for a bottle of CMake followed
// by that for the whole project.
std::string update_command(const BuildSpec& spec, const std::string& name);

}  // namespace bottle::image::remote
