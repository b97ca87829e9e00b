// SPDX-License-Identifier: Apache-2.0
// Extended attributes of files in a context.
//
// Source: xattr(7), listxattr(2), getxattr(2).
#pragma once

#include <string>

#include "oci/xattrs.hpp"
#include "util/file.hpp"

namespace bottle::image::context {

// The attributes that belong to a file's content rather than to the host it lies on: "user.*" and
// security.capability. security.selinux, system.posix_acl_* and trusted.* describe this machine. Sorted by
// name; a file system without attributes has none. No link is followed. Throws an Error that names the file.
oci::Xattrs xattrs_of(const std::string& path);
// Of an open file; `path` is for messages.
oci::Xattrs xattrs_of(const Fd& file, const std::string& path);

}  // namespace bottle::image::context
