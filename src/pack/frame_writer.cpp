// SPDX-License-Identifier: Apache-2.0
#include "pack/frame_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "oci/damage.hpp"
#include "pack/crc32.hpp"
#include "pack/zstd_frame.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/parallel.hpp"
#include "util/text.hpp"

namespace bottle::pack {
namespace {

constexpr std::size_t kMaximumThreadsHighLevel = 2;  // from kHighLevel on the tables take up to 80 MiB
constexpr int kHighLevel = 10;
// What waits for its turn holds its frame and, for parts of changing files, the chunk.
constexpr std::size_t kWaitingFrames = 4;

// Compressors are big and made on demand: as many as threads ever work at once.
class Compressors {
 public:
  explicit Compressors(int level) : level_(level) {}

  void compress(std::span<const std::byte> data, Bytes& frame) {
    std::unique_ptr<FrameCompressor> compressor = take();
    compressor->compress(data, frame);
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(compressor));
  }

 private:
  std::unique_ptr<FrameCompressor> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<FrameCompressor>(level_);
    std::unique_ptr<FrameCompressor> compressor = std::move(free_.back());
    free_.pop_back();
    return compressor;
  }

  int level_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<FrameCompressor>> free_;
};

struct Result {
  Frame frame;
  bool reused = false;
  std::shared_ptr<const Bytes> part;          // of a file that is still to be verified
  std::optional<store::ActionResult> record;  // held back until it is
};

class FrameMaker {
 public:
  FrameMaker(std::span<const Chunk> chunks, store::Store& store, int level)
      : chunks_(chunks), store_(store), level_(level), compressors_(level), results_(chunks.size()) {
    find_parts_to_read();
  }

  void make(std::size_t index) {
    check_interrupted();
    const Chunk& chunk = chunks_[index];
    Result result;
    result.frame.raw_size = chunk.size;
    if (chunk.kind == Chunk::Kind::literal) {
      compress(result.frame, std::as_bytes(std::span(chunk.bytes)));
    } else if (!reuse(chunk, result)) {
      compress_content(chunk, result, parts_to_read_.contains(chunk_file(chunk)));
    } else if (parts_to_read_.contains(chunk_file(chunk)) && chunk.kind == Chunk::Kind::part) {
      // Another part of this file has to be compressed: the whole file is read, to be verified.
      const oci::Entry& entry = chunk.archive->entries[chunk.first];
      if (!chunk.archive->reader.open(entry, chunk.archive->roots).is_blob) {
        const std::shared_ptr<Bytes> data = chunk_buffers_.take(chunk.size);
        assemble_part(chunk, *data);
        result.part = data;
      }
    }
    results_[index] = std::make_unique<Result>(std::move(result));
  }

  std::unique_ptr<Result> take(std::size_t index) { return std::move(results_[index]); }

  // In order, on one thread: hashes the parts of a file, and records their frames once the file is known to
  // be what it should.
  void verify_part(const Chunk& chunk, Result& result) {
    if (chunk.kind != Chunk::Kind::part) return;
    if (!result.part) {
      if (result.record) store_.put_action(frame_key(chunk.id, level_), *result.record);
      return;
    }
    const std::span<const std::byte> content = part_content(chunk, *result.part);
    file_hash_.update(content);
    if (result.record) held_.emplace_back(frame_key(chunk.id, level_), std::move(*result.record));
    const oci::Entry& entry = chunk.archive->entries[chunk.first];
    if (chunk.offset + chunk.length < entry.size) return;
    const Digest digest = file_hash_.finish();
    if (digest != entry.digest)
      oci::ContentReader::fail_changed(chunk.archive->reader.open(entry, chunk.archive->roots), entry,
                                       entry.size, digest);
    for (const auto& [key, record] : held_)
      store_.put_action(key, record);
    held_.clear();
  }

 private:
  using FileId = std::pair<const Archive*, std::size_t>;
  struct FileHash {
    std::size_t operator()(const FileId& id) const {
      return std::hash<const void*>()(id.first) ^ std::hash<std::size_t>()(id.second);
    }
  };

  static FileId chunk_file(const Chunk& chunk) { return {chunk.archive, chunk.first}; }

  void find_parts_to_read() {
    for (const Chunk& chunk : chunks_)
      if (chunk.kind == Chunk::Kind::part && !parts_to_read_.contains(chunk_file(chunk)) &&
          !store_.find_action(frame_key(chunk.id, level_)).result)
        parts_to_read_.insert(chunk_file(chunk));
  }

  bool reuse(const Chunk& chunk, Result& result) {
    const store::Store::Lookup lookup = store_.find_action(frame_key(chunk.id, level_));
    if (!lookup.result) return false;
    const auto output = lookup.result->outputs.find("frame");
    const auto crc_text = lookup.result->facts.find("crc32");
    const auto crc =
        crc_text == lookup.result->facts.end() ? std::nullopt : parse_unsigned(crc_text->second, 16);
    if (output == lookup.result->outputs.end() || !crc) {
      store_.drop_damaged_action(frame_key(chunk.id, level_), "no frame or checksum is recorded");
      return false;
    }
    std::optional<Frame> frame =
        read_stored_frame(store_, output->second.digest, output->second.size,
                          static_cast<std::uint32_t>(*crc), chunk.size, frame_buffers_);
    if (!frame) return false;
    result.frame = *std::move(frame);
    result.frame.key = frame_key(chunk.id, level_);
    result.reused = true;
    return true;
  }

  void compress(Frame& frame, std::span<const std::byte> data) {
    const std::shared_ptr<Bytes> bytes = frame_buffers_.take(0);
    compressors_.compress(data, *bytes);
    frame.crc = crc32(0, *bytes);
    frame.bytes = bytes;
  }

  void compress_content(const Chunk& chunk, Result& result, bool whole_file_is_read) {
    std::shared_ptr<Bytes> data = chunk_buffers_.take(chunk.size);
    bool is_blob = false;
    if (chunk.kind == Chunk::Kind::entries)
      assemble_entries(chunk, *data);
    else if (whole_file_is_read)
      is_blob = assemble_part(chunk, *data);
    else
      is_blob = assemble_verified_part(chunk, *data);
    compress(result.frame, *data);
    const std::string_view bytes(reinterpret_cast<const char*>(result.frame.bytes->data()),
                                 result.frame.bytes->size());
    const store::Output output = store_.put(bytes);
    result.frame.digest = output.digest;
    result.frame.key = frame_key(chunk.id, level_);
    store::ActionResult record;
    record.kind = "frame";
    record.label = chunk.archive->name + ": " + chunk.archive->entries[chunk.first].path;
    record.outputs["frame"] = output;
    record.facts["crc32"] = fmt::format("{:08x}", result.frame.crc);
    record.facts["raw"] = std::to_string(chunk.size);
    record.tool_version = "libzstd " + zstd_version();
    if (chunk.kind == Chunk::Kind::part && whole_file_is_read && !is_blob) {
      result.part = std::move(data);
      result.record = std::move(record);
    } else {
      store_.put_action(frame_key(chunk.id, level_), record);
    }
  }

  // For the one part whose frame turned out to be damaged when the others' are not read.
  static bool assemble_verified_part(const Chunk& chunk, std::span<std::byte> data) {
    if (assemble_part(chunk, data)) return true;
    const std::span<const std::byte> content = part_content(chunk, data);
    const oci::Entry& entry = chunk.archive->entries[chunk.first];
    std::uint64_t at = 0;
    bool same = true;
    chunk.archive->reader.read_verified(entry, chunk.archive->roots, [&](std::span<const std::byte> piece) {
      for (std::size_t i = 0; i < piece.size(); ++i, ++at)
        if (at >= chunk.offset && at < chunk.offset + chunk.length)
          same &= content[at - chunk.offset] == piece[i];
    });
    if (!same)
      throw oci::DamageError(oci::Damage::file, "the file changed while the build used it",
                             {.where = entry.path, .hint = "build again"});
    return false;
  }

  std::span<const Chunk> chunks_;
  store::Store& store_;
  int level_;
  Compressors compressors_;
  // Apart, because most frames are much smaller than their chunks.
  BufferPool chunk_buffers_{kFrameBuffer};
  BufferPool frame_buffers_{kFrameBuffer};
  std::vector<std::unique_ptr<Result>> results_;
  std::unordered_set<FileId, FileHash> parts_to_read_;
  Sha256 file_hash_;
  std::vector<std::pair<Digest, store::ActionResult>> held_;
};

}  // namespace

Digest frame_key(const Digest& chunk_id, int level) {
  return sha256(fmt::format("bottle frame {} libzstd {} level {} chunk {}\n", kChunkFormat, zstd_version(),
                            level, chunk_id.hex()));
}

std::optional<Frame> read_stored_frame(const store::Store& store, const Digest& blob, std::uint64_t size,
                                       std::uint32_t crc, std::uint64_t raw_size, BufferPool& buffers) {
  const std::optional<fs::path> path = store.find_blob(blob);
  if (!path) return std::nullopt;
  const Fd file = open_for_reading(*path);
  const std::shared_ptr<Bytes> bytes = buffers.take(size);
  const std::size_t count = pread_some(file.get(), *bytes, 0, path->native());
  if (count != size || crc32(0, *bytes) != crc) {
    store.drop_damaged_blob(blob, fmt::format("expected a frame of {} bytes with CRC-32 {:08x}", size, crc));
    return std::nullopt;
  }
  return Frame{.bytes = bytes, .crc = crc, .raw_size = raw_size, .digest = blob, .key = {}};
}

FrameCounts write_frames(std::span<const Chunk> chunks, store::Store& store, int level, std::size_t threads,
                         const std::function<void(const Chunk&, const Frame&)>& consume) {
  FrameMaker maker(chunks, store, level);
  FrameCounts counts;
  const std::size_t used =
      std::clamp<std::size_t>(threads == 0 ? default_threads() : threads, 1,
                              level < kHighLevel ? kMaximumThreads : kMaximumThreadsHighLevel);
  parallel_ordered(
      chunks.size(), used, used + kWaitingFrames, [&](std::size_t i) { maker.make(i); },
      [&](std::size_t i) {
        const std::unique_ptr<Result> result = maker.take(i);
        maker.verify_part(chunks[i], *result);
        ++counts.total;
        if (chunks[i].kind == Chunk::Kind::literal)
          ++counts.structure;
        else if (result->reused)
          ++counts.reused;
        else
          ++counts.compressed;
        consume(chunks[i], result->frame);
      });
  return counts;
}

}  // namespace bottle::pack
