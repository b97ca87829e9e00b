// SPDX-License-Identifier: Apache-2.0
#include "image/remote/source_lock.hpp"

#include "util/error.hpp"
#include "util/shell_quote.hpp"

namespace bottle::image::remote {
namespace {

std::string context_text(const ContextSpec& context) {
  const std::string which = context.reference.empty()
                                ? ""
                                : (context.reference.starts_with("sha256:") ? "@" : ":") + context.reference;
  switch (context.kind) {
    case ContextKind::path:
      return context.value.native();
    case ContextKind::bottle:
      return "bottle:" + context.value.native();
    case ContextKind::oci_layout:
      return "oci-layout:" + context.value.native() + which;
    case ContextKind::docker_archive:
      return "docker-archive:" + context.value.native() + which;
    case ContextKind::image:
      return "image:" + context.reference;
    case ContextKind::remote:
      return context.reference;
    case ContextKind::target:
      break;
  }
  std::string text = "target:";
  for (const fs::path& file : context.files)
    text += (text.back() == ':' ? "" : ",") + file.native();
  return text;
}

}  // namespace

template <typename Type>
std::optional<Type> LockFile::find(const std::string& name) {
  if (!lock_) {
    exists_ = fs::exists(file_);
    lock_ = load_lock(file_);
  }
  const auto entry = lock_->sources.find(name);
  if (entry == lock_->sources.end()) return std::nullopt;
  if (const auto* found = std::get_if<Type>(&entry->second)) return *found;
  throw Error("\"" + name + "\" is locked as " + kind_of(entry->second) + ", but used as " +
                  kind_of(LockedSource(Type{})),
              {.where = file_.native(), .hint = "lock it again: bottle-lock update"});
}

std::optional<LockedImage> LockFile::image(const oci::Reference& reference) {
  return find<LockedImage>(reference.string());
}
std::optional<LockedUrl> LockFile::url(const std::string& name, const std::string&) {
  return find<LockedUrl>(name);
}
std::optional<LockedGit> LockFile::git(const std::string& name, const dockerfile::GitSource&) {
  return find<LockedGit>(name);
}

template <typename Type>
Type LockFile::add(const std::string& name, const Type& source) {
  change_lock(file_, [&](Lock& lock) {
    if (!lock.sources.contains(name)) lock.put(name, source);
    lock_ = lock;
  });
  exists_ = true;
  return find<Type>(name).value();
}

template LockedImage LockFile::add(const std::string& name, const LockedImage& source);
template LockedUrl LockFile::add(const std::string& name, const LockedUrl& source);
template LockedGit LockFile::add(const std::string& name, const LockedGit& source);

std::vector<fs::path> LockFile::dependencies() const {
  if (!lock_) return {};
  return {exists_ ? file_ : file_.parent_path()};
}

std::string update_command(const BuildSpec& spec, const std::string& name) {
  std::string command = "bottle-lock update --lock " + shell_word(lock_file(spec).native());
  const auto option = [&](const char* option_name, const std::string& value) {
    command += std::string(" ") + option_name + " " + shell_word(value);
  };
  if (!spec.file.empty()) {
    option("--spec", spec.file.native());
  } else {
    option("--context", spec.context.native());
    if (spec.dockerfile != spec.context / "Dockerfile") option("--file", spec.dockerfile.native());
    if (!spec.target.empty()) option("--target", spec.target);
    if (!spec.platform.empty()) option("--platform", spec.platform);
    for (const auto& [argument, value] : spec.build_args)
      option("--build-arg", argument + "=" + value);
    for (const ContextSpec& context : spec.contexts)
      option("--build-context", context.name + "=" + context_text(context));
  }
  command += " " + shell_word(name);
  if (!spec.build_tree.empty())
    command += ", or lock all sources of the project with cmake --build " +
               shell_word(spec.build_tree.native()) + " --target bottle-lock";
  return command;
}

}  // namespace bottle::image::remote
