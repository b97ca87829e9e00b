// SPDX-License-Identifier: Apache-2.0
// A layer as a list of entries: the primary form of a layer (docs/architecture.md "A layer is an index"). Its
// tar is made only when something needs the tar.
//
// File format, one entry a line, words separated by one blank and percent-escaped (util/text.hpp
// escape_word):
//
//   bottle-layer-index 1
//   root <name>                                          (0 or more; numbered from 0 in order)
//   <type> <mode> <uid> <gid> <mtime> <path> [<detail>...] [x:<xattr name>=<xattr value>...]
//   [@<root>:<offset>:<place path>]
//
// <type> is one of f d l h c b p w o; <mode> is octal; the root directory's path is written "."; <detail> is
// size and SHA-256 in hex for f, the link for l and h, major and minor for c and b.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/entry.hpp"

namespace bottle::oci {

struct LayerIndex {
  std::vector<std::string> roots;
  // In the order in which they apply. Layers made by Bottle are sorted by path (bytes); layers read from a
  // tar keep the tar's.
  std::vector<Entry> entries;

  // The identity of the layer: SHA-256 of the lines without roots and places.
  Digest digest() const;
  // The same of a layer that serialize() wrote as `text`, without parsing it. Any other text gives a digest
  // of no layer, or that of the layer it holds.
  static Digest digest_of(std::string_view text);
  // SHA-256 of what serialize() gives.
  Digest digest_with_places() const;
  std::string serialize() const;
  // `name` is the place in errors ("<name>:<line>"). Every number, path and root reference is checked.
  static LayerIndex parse(std::string_view text, const std::string& name);

  // The number of the root with this name, added if it is new.
  std::uint32_t root(std::string_view root_name);
};

}  // namespace bottle::oci
