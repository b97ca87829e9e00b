#include "smolmachine/chunker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>

#include "oci/tar_writer.hpp"
#include "util/error.hpp"

namespace bottle::smolmachine {
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

class Cutter {
 public:
  explicit Cutter(const Archive& archive) : archive_(archive) {}

  ArchiveChunks run() {
    for (std::size_t i = 0; i < archive_.entries.size(); ++i)
      add(i);
    flush();
    Sha256 identity;
    identity.update(fmt::format("bottle archive {}\n", kChunkFormat));
    for (const Chunk& chunk : result_.chunks)
      identity.update(chunk.id.hex() + "\n");
    result_.identity = identity.finish();
    return std::move(result_);
  }

 private:
  void add(std::size_t index) {
    const Entry& entry = archive_.entries[index];
    const std::string header = oci::tar_header(entry, oci::TarStyle::pack);
    const std::uint64_t content = content_size(entry);
    const std::uint64_t weight = header.size() + content + oci::tar_padding(content).size();
    result_.size += weight;
    if (content > kMaximumChunk) {
      flush();
      add_parts(index, header, content);
      return;
    }
    if (size_ > 0 && size_ + weight > kMaximumChunk) flush();
    if (size_ == 0) {
      first_ = index;
      hasher_.update(fmt::format("bottle chunk {} entries\n", kChunkFormat));
    }
    // Headers end where the next field begins: their length is in the line before.
    hasher_.update(fmt::format("{} {}\n", header.size(), content > 0 ? entry.digest.hex() : "-"));
    hasher_.update(header);
    size_ += weight;
    count_ = index - first_ + 1;
    if (size_ >= kMinimumChunk && ends_chunk(entry, weight)) flush();
  }

  void flush() {
    if (size_ == 0) return;
    Chunk chunk;
    chunk.kind = Chunk::Kind::entries;
    chunk.id = hasher_.finish();
    chunk.size = size_;
    chunk.archive = &archive_;
    chunk.first = first_;
    chunk.count = count_;
    result_.chunks.push_back(std::move(chunk));
    size_ = 0;
  }

  void add_parts(std::size_t index, const std::string& header, std::uint64_t content) {
    for (std::uint64_t offset = 0; offset < content; offset += kMaximumChunk) {
      Chunk chunk;
      chunk.kind = Chunk::Kind::part;
      chunk.archive = &archive_;
      chunk.first = index;
      chunk.count = 1;
      chunk.offset = offset;
      chunk.length = std::min(kMaximumChunk, content - offset);
      const std::uint64_t padding = offset + chunk.length == content ? oci::tar_padding(content).size() : 0;
      chunk.size = (offset == 0 ? header.size() : 0) + chunk.length + padding;
      Sha256 hasher;
      hasher.update(fmt::format("bottle chunk {} part {} {} {} {}\n", kChunkFormat, offset, chunk.length,
                                padding, archive_.entries[index].digest.hex()));
      if (offset == 0) hasher.update(header);
      chunk.id = hasher.finish();
      result_.chunks.push_back(std::move(chunk));
    }
  }

  const Archive& archive_;
  ArchiveChunks result_;
  Sha256 hasher_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace

Chunk literal_chunk(std::string bytes) {
  Chunk chunk;
  chunk.size = bytes.size();
  chunk.id = sha256("bottle chunk literal\n" + bytes);
  chunk.bytes = std::move(bytes);
  return chunk;
}

ArchiveChunks cut_chunks(const Archive& archive) {
  return Cutter(archive).run();
}

std::vector<std::byte> assemble_entries(const Chunk& chunk) {
  std::vector<std::byte> bytes(chunk.size);
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
      chunk.archive->reader.read_verified(entry, chunk.archive->roots, std::span(bytes).subspan(at, content));
    at += content + oci::tar_padding(content).size();
  }
  return bytes;
}

std::vector<std::byte> assemble_part(const Chunk& chunk, bool& is_blob) {
  std::vector<std::byte> bytes(chunk.size);
  const Entry& entry = chunk.archive->entries[chunk.first];
  std::size_t at = 0;
  if (chunk.offset == 0) {
    const std::string header = oci::tar_header(entry, oci::TarStyle::pack);
    std::memcpy(bytes.data(), header.data(), header.size());
    at = header.size();
  }
  const oci::ContentReader::Opened opened = chunk.archive->reader.open(entry, chunk.archive->roots);
  is_blob = opened.is_blob;
  const std::size_t count = pread_some(opened.file->get(), std::span(bytes).subspan(at, chunk.length),
                                       opened.offset + chunk.offset, opened.name);
  if (count != chunk.length)
    throw Error(fmt::format("the file changed while the build used it: it had {} bytes, now it ends at {}",
                            entry.size, chunk.offset + count),
                {.where = opened.name, .hint = "build again"});
  return bytes;
}

std::span<const std::byte> part_content(const Chunk& chunk, std::span<const std::byte> assembled) {
  const bool is_last = chunk.offset + chunk.length == chunk.archive->entries[chunk.first].size;
  const std::uint64_t padding =
      is_last ? oci::tar_padding(chunk.archive->entries[chunk.first].size).size() : 0;
  return assembled.subspan(assembled.size() - padding - chunk.length, chunk.length);
}

}  // namespace bottle::smolmachine
