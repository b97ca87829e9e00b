// SPDX-License-Identifier: Apache-2.0
// Cutting tars into chunks that are known before any data is read.
//
// A pack is a concatenation of zstd frames, one a chunk. Chunks end between entries, at places that depend on
// the paths and sizes near them alone, so an edit moves no boundary far away; a file bigger than
// kMaximumChunk has separate chunks, cut at fixed offsets. The id of a chunk is a SHA-256 over headers and
// content digests, never over data: equal ids mean equal bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "oci/content.hpp"
#include "oci/entry.hpp"
#include "util/digest.hpp"

namespace bottle::pack {

// Changing any of these, or what a chunk's id covers, changes every pack: raise kChunkFormat then.
constexpr int kChunkFormat = 1;
constexpr std::uint64_t kMinimumChunk = 256u << 10;
constexpr std::uint64_t kAverageChunk = 1u << 20;
constexpr std::uint64_t kMaximumChunk = 4u << 20;

// An inner tar: entries in order, without its end marker.
struct Archive {
  std::string name;  // "layer", "agent rootfs": for messages
  std::vector<oci::Entry> entries;
  std::vector<std::string> roots;
  oci::ContentReader reader;
};

struct Chunk {
  enum class Kind { literal, entries, part };

  Kind kind = Kind::literal;
  Digest id;
  std::uint64_t size = 0;            // bytes of tar
  std::string bytes;                 // literal: the tar bytes themselves
  const Archive* archive = nullptr;  // else
  std::size_t first = 0;             // entries [first, first + count); for a part the one entry `first`
  std::size_t count = 0;
  std::uint64_t offset = 0;  // of a part in its file's content; the header comes before the first part
  std::uint64_t length = 0;  // and the padding after the last
};

struct ArchiveChunks {
  std::vector<Chunk> chunks;
  std::uint64_t size = 0;  // bytes of the tar, without end marker
  Digest identity;         // Merkle digest over the chunks' ids
};

Chunk literal_chunk(std::string bytes);
// The archive must outlive the chunks. `threads` of 0 stands for default_threads().
ArchiveChunks cut_chunks(const Archive& archive, std::size_t threads = 0);

// The tar bytes of a chunk of kind entries, every content verified against its digest, into chunk.size bytes.
// Throws naming the file that changed.
void assemble_entries(const Chunk& chunk, std::span<std::byte> bytes);

// A part's bytes, not verified: only the whole file can be. True when the content comes from a blob, which
// was verified when it entered the store.
bool assemble_part(const Chunk& chunk, std::span<std::byte> bytes);
// The content of an assembled part, without header and padding.
std::span<const std::byte> part_content(const Chunk& chunk, std::span<const std::byte> assembled);

}  // namespace bottle::pack
