// SPDX-License-Identifier: Apache-2.0
// Helpers of the tests of src/oci: trees written as text, tars in memory.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oci/layer_import.hpp"
#include "oci/layer_index.hpp"
#include "oci/merged_tree.hpp"
#include "oci/stream.hpp"
#include "oci/tar_reader.hpp"

namespace bottle::oci::testing {

inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline std::string_view text(std::span<const std::byte> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

inline Sink append_to(std::string& out) {
  return [&out](std::span<const std::byte> data) { out += text(data); };
}

Entry file(std::string path, std::string_view content, unsigned mode = 0644);
Entry directory(std::string path, unsigned mode = 0755);
Entry symlink(std::string path, std::string target);
Entry hardlink(std::string path, std::string target, unsigned mode = 0644);
Entry whiteout(std::string path);
Entry opaque(std::string path);

// A tar of the entries (layer style); a file's content is looked up by its digest in what file() made.
std::string tar_of(const std::vector<Entry>& entries);
// One line a node: "<path> <type> <mode in octal>[ <link or content or other name>]".
std::string listing(const MergedTree& tree);
MergedTree tree_of(const std::vector<std::vector<Entry>>& layers);
// The content that file() made a digest of.
const std::string& content_of(const Digest& digest);

// Imports an uncompressed tar.
ImportedLayer import_tar(std::string_view tar);

// A raw header block with a right checksum, for archives that Bottle's writers do not make.
struct RawHeader {
  std::string name = "f";
  char type = '0';
  std::string size = "00000000000";
  std::string link;
  std::string magic = std::string(
      "ustar\0"
      "00",
      8);
  std::string prefix;
  std::string mode = "0000644";
  std::string uid = "0000000";
  std::string mtime = "00000000000";
};
std::string raw_header(const RawHeader& header);
std::string padded(std::string data);
std::string pax(const std::vector<std::pair<std::string, std::string>>& records, char type = 'x');
std::string octal(std::uint64_t value);

// The message of the Error that `body` throws; "" if it throws none.
template <typename Body>
std::string error_of(const Body& body);

}  // namespace bottle::oci::testing

#include "util/error.hpp"

namespace bottle::oci::testing {

template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace bottle::oci::testing
