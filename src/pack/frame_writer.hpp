// SPDX-License-Identifier: Apache-2.0
// From chunks to frames: taken from the store where it has them, else compressed, in parallel and in order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "pack/chunker.hpp"
#include "store/store.hpp"
#include "util/bytes.hpp"

namespace bottle::pack {

// A thread holds a chunk, its frame and the compressor's tables, some 12 MiB together.
constexpr std::size_t kMaximumThreads = 6;

// No frame is much bigger than the biggest chunk.
constexpr std::size_t kFrameBuffer = kMaximumChunk + (64u << 10);

struct Frame {
  std::shared_ptr<const Bytes> bytes;  // one zstd frame; a caller that needs it longer keeps the pointer
  std::uint32_t crc = 0;               // CRC-32 of `bytes`
  std::uint64_t raw_size = 0;
  Digest digest;  // of the blob in the store; empty for a literal chunk's frame
  Digest key;     // of its action in the store, likewise
};

struct FrameCounts {
  std::uint64_t total = 0;
  std::uint64_t reused = 0;      // from the store
  std::uint64_t compressed = 0;  // from contents
  std::uint64_t structure = 0;   // headers and end markers of the outer tar: a few hundred bytes together
};

// Gives every chunk's frame to `consume`, in order, on the calling thread. Memory in use is bounded by a few
// dozen MiB whatever the chunks are. `threads` of 0 stands for default_threads().
//
// A stored frame whose bytes do not have the CRC-32 it was stored with is dropped as damaged and rebuilt. A
// file whose content is not what its digest says is an Error, and then no frame with its bytes is recorded in
// the store.
FrameCounts write_frames(std::span<const Chunk> chunks, store::Store& store, int level, std::size_t threads,
                         const std::function<void(const Chunk&, const Frame&)>& consume);

// The key under which the store keeps a chunk's frame.
Digest frame_key(const Digest& chunk_id, int level);

// Reads a stored frame back into a buffer of `buffers`; nullopt if its bytes are gone or damaged (then
// reported to the store).
std::optional<Frame> read_stored_frame(const store::Store& store, const Digest& blob, std::uint64_t size,
                                       std::uint32_t crc, std::uint64_t raw_size, BufferPool& buffers);

}  // namespace bottle::pack
