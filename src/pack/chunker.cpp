// SPDX-License-Identifier: Apache-2.0
#include "pack/chunker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

#include "oci/damage.hpp"
#include "oci/tar_writer.hpp"
#include "util/error.hpp"
#include "util/parallel.hpp"

namespace bottle::pack {
namespace {

using oci::Entry;

std::uint64_t content_size(const Entry& entry) {
  return entry.type == oci::EntryType::file ? entry.size : 0;
}

// FNV-1a with the finalizer of MurmurHash3: well-mixed and the same everywhere.
std::uint64_t path_hash(std::string_view path) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : path)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
  return hash ^ hash >> 33;
}

// Whether a chunk may end after this entry: with a probability in proportion to its weight, so that chunks
// come out alike whether files are small or big.
bool ends_chunk(const Entry& entry, std::uint64_t weight) {
  constexpr std::uint64_t kExpected = kAverageChunk - kMinimumChunk;
  if (weight >= kExpected) return true;
  return path_hash(entry.path) < std::numeric_limits<std::uint64_t>::max() / kExpected * weight;
}

// Where chunks end: all of a Chunk but its id.
class Cutter {
 public:
  explicit Cutter(const Archive& archive) : archive_(archive) {}

  ArchiveChunks run() {
    for (std::size_t i = 0; i < archive_.entries.size(); ++i)
      add(i);
    flush();
    return std::move(result_);
  }

 private:
  void add(std::size_t index) {
    const Entry& entry = archive_.entries[index];
    const std::size_t header = oci::tar_header_size(entry, oci::TarStyle::pack);
    const std::uint64_t content = content_size(entry);
    const std::uint64_t weight = header + content + oci::tar_padding(content).size();
    result_.size += weight;
    if (content > kMaximumChunk) {
      flush();
      add_parts(index, header, content);
      return;
    }
    if (size_ > 0 && size_ + weight > kMaximumChunk) flush();
    if (size_ == 0) first_ = index;
    size_ += weight;
    count_ = index - first_ + 1;
    if (size_ >= kMinimumChunk && ends_chunk(entry, weight)) flush();
  }

  void flush() {
    if (size_ == 0) return;
    Chunk chunk;
    chunk.kind = Chunk::Kind::entries;
    chunk.size = size_;
    chunk.archive = &archive_;
    chunk.first = first_;
    chunk.count = count_;
    result_.chunks.push_back(std::move(chunk));
    size_ = 0;
  }

  void add_parts(std::size_t index, std::size_t header, std::uint64_t content) {
    for (std::uint64_t offset = 0; offset < content; offset += kMaximumChunk) {
      Chunk chunk;
      chunk.kind = Chunk::Kind::part;
      chunk.archive = &archive_;
      chunk.first = index;
      chunk.count = 1;
      chunk.offset = offset;
      chunk.length = std::min(kMaximumChunk, content - offset);
      chunk.size = (offset == 0 ? header : 0) + chunk.length +
                   (offset + chunk.length == content ? oci::tar_padding(content).size() : 0);
      result_.chunks.push_back(std::move(chunk));
    }
  }

  const Archive& archive_;
  ArchiveChunks result_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t size_ = 0;
};

Digest id_of_entries(const Chunk& chunk) {
  constexpr std::size_t kGather = 32u << 10;
  Sha256 hasher;
  std::string text = fmt::format("bottle chunk {} entries\n", kChunkFormat);
  std::string header;
  for (std::size_t i = chunk.first; i < chunk.first + chunk.count; ++i) {
    const Entry& entry = chunk.archive->entries[i];
    header.clear();
    oci::append_tar_header(header, entry, oci::TarStyle::pack);
    // Headers end where the next field begins: their length is in the line before.
    text += std::to_string(header.size());
    text += ' ';
    if (content_size(entry) > 0)
      text += entry.digest.hex();
    else
      text += '-';
    text += '\n';
    text += header;
    if (text.size() < kGather) continue;
    hasher.update(text);
    text.clear();
  }
  hasher.update(text);
  return hasher.finish();
}

Digest id_of_part(const Chunk& chunk) {
  const Entry& entry = chunk.archive->entries[chunk.first];
  const std::uint64_t padding =
      chunk.offset + chunk.length == entry.size ? oci::tar_padding(entry.size).size() : 0;
  Sha256 hasher;
  hasher.update(fmt::format("bottle chunk {} part {} {} {} {}\n", kChunkFormat, chunk.offset, chunk.length,
                            padding, entry.digest.hex()));
  if (chunk.offset == 0) hasher.update(oci::tar_header(entry, oci::TarStyle::pack));
  return hasher.finish();
}

}  // namespace

Chunk literal_chunk(std::string bytes) {
  Chunk chunk;
  chunk.size = bytes.size();
  chunk.id = sha256("bottle chunk literal\n" + bytes);
  chunk.bytes = std::move(bytes);
  return chunk;
}

ArchiveChunks cut_chunks(const Archive& archive, std::size_t threads) {
  constexpr std::size_t kBatch = 16;  // chunks
  ArchiveChunks result = Cutter(archive).run();
  std::vector<Chunk>& chunks = result.chunks;
  parallel_for((chunks.size() + kBatch - 1) / kBatch, threads == 0 ? default_threads() : threads,
               [&](std::size_t batch) {
                 const std::size_t end = std::min(chunks.size(), (batch + 1) * kBatch);
                 for (std::size_t i = batch * kBatch; i < end; ++i)
                   chunks[i].id =
                       chunks[i].kind == Chunk::Kind::part ? id_of_part(chunks[i]) : id_of_entries(chunks[i]);
               });
  Sha256 identity;
  identity.update(fmt::format("bottle archive {}\n", kChunkFormat));
  for (const Chunk& chunk : chunks)
    identity.update(chunk.id.hex() + "\n");
  result.identity = identity.finish();
  return result;
}

namespace {

void append_zeros(std::span<std::byte> bytes, std::size_t& at, std::size_t count) {
  std::memset(bytes.data() + at, 0, count);
  at += count;
}

}  // namespace

void assemble_entries(const Chunk& chunk, std::span<std::byte> bytes) {
  std::size_t at = 0;
  std::string header;
  for (std::size_t i = chunk.first; i < chunk.first + chunk.count; ++i) {
    const Entry& entry = chunk.archive->entries[i];
    header.clear();
    oci::append_tar_header(header, entry, oci::TarStyle::pack);
    std::memcpy(bytes.data() + at, header.data(), header.size());
    at += header.size();
    const std::uint64_t content = content_size(entry);
    if (content > 0)
      chunk.archive->reader.read_verified(entry, chunk.archive->roots, bytes.subspan(at, content));
    at += content;
    append_zeros(bytes, at, oci::tar_padding(content).size());
  }
}

bool assemble_part(const Chunk& chunk, std::span<std::byte> bytes) {
  const Entry& entry = chunk.archive->entries[chunk.first];
  std::size_t at = 0;
  if (chunk.offset == 0) {
    const std::string header = oci::tar_header(entry, oci::TarStyle::pack);
    std::memcpy(bytes.data(), header.data(), header.size());
    at = header.size();
  }
  const oci::ContentReader::Opened opened = chunk.archive->reader.open(entry, chunk.archive->roots);
  const std::size_t count = pread_some(opened.file->get(), bytes.subspan(at, chunk.length),
                                       opened.offset + chunk.offset, opened.name);
  if (count != chunk.length)
    throw oci::DamageError(
        oci::Damage::file,
        fmt::format("the file changed while the build used it: it had {} bytes, now it ends at {}",
                    entry.size, chunk.offset + count),
        {.where = opened.name, .hint = "build again"});
  at += chunk.length;
  append_zeros(bytes, at, bytes.size() - at);
  return opened.is_blob;
}

std::span<const std::byte> part_content(const Chunk& chunk, std::span<const std::byte> assembled) {
  const bool is_last = chunk.offset + chunk.length == chunk.archive->entries[chunk.first].size;
  const std::uint64_t padding =
      is_last ? oci::tar_padding(chunk.archive->entries[chunk.first].size).size() : 0;
  return assembled.subspan(assembled.size() - padding - chunk.length, chunk.length);
}

}  // namespace bottle::pack
