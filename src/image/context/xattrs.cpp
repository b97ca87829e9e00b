// SPDX-License-Identifier: Apache-2.0
#include "image/context/xattrs.hpp"

#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "util/error.hpp"

namespace bottle::image::context {
namespace {

bool is_portable(std::string_view name) {
  return name.starts_with("user.") || name == "security.capability";
}

// `list(names, size)` and `get(name, value, size)` are listxattr(2) and getxattr(2) of the file.
template <typename List, typename Get>
oci::Xattrs read_xattrs(const std::string& path, const List& list, const Get& get) {
  std::array<char, 4096> small;
  std::string names;
  ssize_t size = list(small.data(), small.size());
  if (size > 0) {
    names.assign(small.data(), static_cast<std::size_t>(size));
  } else if (size < 0 && errno == ERANGE) {
    names.resize(1u << 16);
    size = list(names.data(), names.size());
    names.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  }
  if (size < 0 && errno != ENOTSUP && errno != EPERM)
    throw_errno("cannot read the extended attributes of", path);
  oci::Xattrs::List result;
  for (std::size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (!is_portable(name)) continue;
    std::string value(1u << 16, '\0');
    const ssize_t length = get(name.c_str(), value.data(), value.size());
    if (length < 0) throw_errno("cannot read the extended attribute " + name + " of", path);
    value.resize(static_cast<std::size_t>(length));
    result.emplace_back(name, std::move(value));
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace

oci::Xattrs xattrs_of(const std::string& path) {
  return read_xattrs(
      path, [&](char* names, std::size_t size) { return ::llistxattr(path.c_str(), names, size); },
      [&](const char* name, char* value, std::size_t size) {
        return ::lgetxattr(path.c_str(), name, value, size);
      });
}

oci::Xattrs xattrs_of(const Fd& file, const std::string& path) {
  return read_xattrs(
      path, [&](char* names, std::size_t size) { return ::flistxattr(file.get(), names, size); },
      [&](const char* name, char* value, std::size_t size) {
        return ::fgetxattr(file.get(), name, value, size);
      });
}

}  // namespace bottle::image::context
