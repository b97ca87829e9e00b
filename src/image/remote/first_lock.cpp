// SPDX-License-Identifier: Apache-2.0
#include "image/remote/first_lock.hpp"

#include <optional>
#include <string_view>

#include "dockerfile/text.hpp"
#include "image/remote/git.hpp"
#include "image/remote/image.hpp"
#include "image/remote/url.hpp"
#include "util/environment.hpp"

namespace bottle::image::remote {
namespace {

// Set, and not to a word for "no": CI systems set CI=true, some CI=1 or their own name.
std::optional<bool> environment_flag(environment::Variable variable) {
  const std::string value = environment::value(variable);
  if (value.empty()) return std::nullopt;
  for (const std::string_view no : {"0", "false", "no", "off", "n"})
    if (dockerfile::equal_fold(value, no)) return false;
  return true;
}

}  // namespace

std::string lock_is_frozen_by(const BuildSpec& spec) {
  if (spec.locked) return *spec.locked ? "LOCKED" : "";
  for (const environment::Variable variable : {environment::kLocked, environment::kCi})
    if (const auto flag = environment_flag(variable))
      return *flag ? std::string(variable.name) + "=" + environment::value(variable) + " in the environment"
                   : "";
  return "";
}

template <typename Type>
Type FirstLock::add(const std::string& name, const Type& found) {
  Type entry = file_.add(name, found);
  has_added_ = true;
  say_(file_.path().native() + ": locked " + name + " as " + summary(entry));
  return entry;
}

LockedImage FirstLock::image(const oci::Reference& reference) {
  return add(reference.string(), resolve_image(reference, store_, access_));
}

LockedUrl FirstLock::url(const std::string& name, const std::string& url) {
  return add(name, resolve_url(url, store_, access_));
}

LockedGit FirstLock::git(const std::string& name, const dockerfile::GitSource& source) {
  return add(name, resolve_git(source));
}

}  // namespace bottle::image::remote
