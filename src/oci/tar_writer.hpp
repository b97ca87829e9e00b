// SPDX-License-Identifier: Apache-2.0
// Writing tar archives whose bytes depend on the entries alone: no user names, no host facts, one encoding
// for each entry. (libarchive's writers choose encodings by locale and version.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "oci/content.hpp"
#include "oci/entry.hpp"
#include "oci/layer_index.hpp"
#include "oci/stream.hpp"

namespace bottle::oci {

enum class TarStyle {
  // GNU: "ustar  \0", 'L' and 'K' records for names of 100 bytes and more, base-256 for numbers that octal
  // cannot hold. Names begin with "./", the root is "./". Extended attributes are left out (readers of packs
  // ignore them). Whiteouts are an Error.
  pack,
  // POSIX ustar, with a PAX header just where one is needed: long names, large or negative numbers, extended
  // attributes ("SCHILY.xattr.<name>"). Names are bare, the root is "./". Whiteouts become ".wh." files.
  layer,
};

// All header blocks of an entry, a multiple of 512 bytes. The data (entry.size bytes, for a file) follows
// them and then tar_padding(). Throws for an entry that the style cannot say: a whiteout in a pack, a real
// name that begins with ".wh." in a layer.
std::string tar_header(const Entry& entry, TarStyle style);
// Its size alone.
std::size_t tar_header_size(const Entry& entry, TarStyle style);
// The same as tar_header(), appended to `out`.
void append_tar_header(std::string& out, const Entry& entry, TarStyle style);

// The zero bytes (0 to 511) that follow data of this size.
std::string_view tar_padding(std::uint64_t size);
// The end marker: two blocks of zeros.
std::string_view tar_end();

// Writes the layer as a tar, in bounded memory. Contents are verified against their digests while they pass:
// when this throws, what the sink got must not be used. `name` is for messages.
void write_layer_tar(const LayerIndex& layer, const ContentReader& reader, const std::string& name,
                     const Sink& sink);

}  // namespace bottle::oci
