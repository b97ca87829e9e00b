// SPDX-License-Identifier: Apache-2.0
// The files of an image layout, wherever they are: in a directory or in a tar. Internal to the image readers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "oci/source_image.hpp"

namespace bottle::oci {

class ImageFiles {
 public:
  virtual ~ImageFiles() = default;
  // The file at the path (relative, '/'), or nullopt if there is none.
  virtual std::optional<FileRange> find(const std::string& path) const = 0;
  // The whole for messages.
  virtual const std::string& name() const = 0;

  // The file's text; absent or larger than `limit` is an Error.
  std::string read(const std::string& path, std::uint64_t limit) const;
  // The file of the blob, of the size that the descriptor says.
  FileRange find_blob(const Digest& digest, std::uint64_t size) const;
  // A small blob's text, verified.
  std::string read_blob(const Descriptor& descriptor, std::uint64_t limit) const;
};

std::string read_range(const FileRange& file);

// Symbolic links are followed: some build systems' layouts consist of them, and blobs are verified anyway.
std::unique_ptr<ImageFiles> directory_files(const fs::path& directory);
// Lists the tar's members by seeking over their data. Links inside it are followed.
std::unique_ptr<ImageFiles> tar_files(const fs::path& file);

// The image that the selection names in an image layout.
ImageSource read_layout(const ImageFiles& files, const ImageSelection& selection);
// The same in an archive with the old manifest.json.
ImageSource read_docker_archive(const ImageFiles& files, const ImageSelection& selection);

}  // namespace bottle::oci
