// SPDX-License-Identifier: Apache-2.0
// Entries written to a directory, and a directory read back into entries: between the trees that Bottle
// thinks in and the disk that RUN needs.
// Source: the forms of whiteouts and opaque directories are those of overlayfs (Linux,
// Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oci/content.hpp"
#include "oci/layer_index.hpp"
#include "util/file.hpp"

namespace bottle::run {

struct UnpackOptions {
  bool single_owner = false;  // owners are not written: there is only one
  bool devices = true;        // device nodes are made; whiteouts are always
};

// Writes the entries below `directory`, which exists. Parents stand before what is in them, names of an inode
// after its first one. The root's own entry sets the attributes of `directory`.
void unpack(const std::vector<oci::Entry>& entries, const std::vector<std::string>& roots,
            const oci::ContentReader& reader, const fs::path& directory, const UnpackOptions& options);

struct PackOptions {
  std::string root_name;  // of the places: the directory
  // The time that an entry is to have, which is set on the disk. The entries keep what was there, so that
  // changes are seen.
  std::function<std::int64_t(const oci::Entry&)> time_of;
  const char* opaque_attribute = "trusted.overlay.opaque";
  // Tells the owner of what is found with an owner that was not written; null: as on the disk.
  std::function<void(oci::Entry&)> correct_owner;
  // The digest of a file, where it is known without reading the file. May be null.
  std::function<std::optional<Digest>(const std::string& path, const struct stat& status)> known_digest;
};

// What is below the directory, in path order (parents first; the directory itself is not among it). Character
// devices 0:0 are whiteouts, and directories with the attribute are opaque. Sockets are removed: no layer can
// hold one.
oci::LayerIndex read_tree(const fs::path& directory, const PackOptions& options);

// Of the bytes of a file, which is not a link.
Digest file_digest(const fs::path& path);

// Removes a tree, making directories accessible that are not.
void remove_tree(const fs::path& path);

}  // namespace bottle::run
