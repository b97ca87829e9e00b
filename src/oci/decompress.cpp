// SPDX-License-Identifier: Apache-2.0
#include "oci/decompress.hpp"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "oci/inflation_bound.hpp"
#include "util/error.hpp"

namespace bottle::oci {
namespace {

constexpr std::size_t kInputBuffer = 128u << 10;
constexpr int kMaximumWindowLog = 27;
// The largest preset of xz needs 65 MiB. A stream says how much memory its dictionary takes, up to 4 GiB.
constexpr std::uint64_t kMaximumXzMemory = 256u << 20;

// The compressed bytes, with their offset for messages.
class Input {
 public:
  Input(Source source, std::string name) : source_(std::move(source)), name_(std::move(name)) {}

  // What has been read and not consumed; empty only at the end.
  std::span<const std::byte> available() {
    if (begin_ == end_ && !ended_) {
      offset_ += begin_;
      begin_ = 0;
      end_ = source_(buffer_);
      ended_ = end_ < buffer_.size();
    }
    return std::span<const std::byte>(buffer_).subspan(begin_, end_ - begin_);
  }
  void consume(std::size_t count) { begin_ += count; }

  [[noreturn]] void fail(const std::string& message, const std::string& hint = {}) const {
    throw Error(message, {.where = name_ + ": offset " + std::to_string(offset_ + begin_), .hint = hint});
  }

 private:
  Source source_;
  std::string name_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kInputBuffer);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;  // of the buffer's begin
  bool ended_ = false;
};

// One algorithm. read() gives 0 only at the whole end.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual std::size_t read(Input& input, std::span<std::byte> data) = 0;
};

class PlainCodec : public Codec {
 public:
  std::size_t read(Input& input, std::span<std::byte> data) override {
    const auto from = input.available();
    const std::size_t count = std::min(from.size(), data.size());
    if (count > 0) std::memcpy(data.data(), from.data(), count);
    input.consume(count);
    return count;
  }
};

// Members one after another, as in gzip (RFC 1952 section 2.2) and bzip2.
class MemberCodec : public Codec {
 public:
  std::size_t read(Input& input, std::span<std::byte> data) final {
    while (true) {
      if (!in_member_ && !start_member(input)) return 0;
      const auto from = input.available();
      if (from.empty()) input.fail(std::string("the ") + name_ + " stream is truncated");
      // The libraries count in 32 bits.
      const Step step = decode(from, data.first(std::min<std::size_t>(data.size(), 1u << 30)));
      input.consume(step.consumed);
      if (step.failure != nullptr)
        input.fail(std::string("the ") + name_ + " stream is corrupt: " + step.failure);
      if (step.ended) in_member_ = false;
      if (step.produced > 0) return step.produced;
    }
  }

 protected:
  struct Step {
    std::size_t consumed;
    std::size_t produced;
    bool ended;           // the member
    const char* failure;  // nullptr: none
  };

  explicit MemberCodec(const char* name) : name_(name) {}
  virtual bool restart() = 0;  // before each member
  // Consumes or produces something.
  virtual Step decode(std::span<const std::byte> from, std::span<std::byte> data) = 0;

 private:
  // Zeros after the last member are padding (tape blocks); other bytes must be a member.
  bool start_member(Input& input) {
    auto from = input.available();
    while (members_ > 0 && !from.empty() && from.front() == std::byte{0}) {
      const auto other =
          std::find_if(from.begin(), from.end(), [](std::byte byte) { return byte != std::byte{0}; });
      padded_ = true;
      input.consume(static_cast<std::size_t>(other - from.begin()));
      from = input.available();
    }
    if (from.empty()) return false;
    if (padded_) input.fail(std::string("the ") + name_ + " stream is followed by other data");
    if (!restart()) input.fail(std::string("the ") + name_ + " decoder cannot be reset");
    ++members_;
    in_member_ = true;
    return true;
  }

  const char* name_;
  bool in_member_ = false;
  bool padded_ = false;
  std::uint64_t members_ = 0;
};

class GzipCodec : public MemberCodec {
 public:
  GzipCodec() : MemberCodec("gzip") {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~GzipCodec() override { inflateEnd(&stream_); }
  GzipCodec(const GzipCodec&) = delete;
  GzipCodec& operator=(const GzipCodec&) = delete;

 private:
  bool restart() override { return inflateReset(&stream_) == Z_OK; }

  Step decode(std::span<const std::byte> from, std::span<std::byte> data) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));
    stream_.avail_in = static_cast<uInt>(from.size());
    stream_.next_out = reinterpret_cast<Bytef*>(data.data());
    stream_.avail_out = static_cast<uInt>(data.size());
    const int status = inflate(&stream_, Z_NO_FLUSH);
    const bool is_sound = status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR;
    return {.consumed = from.size() - stream_.avail_in,
            .produced = data.size() - stream_.avail_out,
            .ended = status == Z_STREAM_END,
            .failure = is_sound                 ? nullptr
                       : stream_.msg != nullptr ? stream_.msg
                                                : "bad data"};
  }

  z_stream stream_{};
};

class Bzip2Codec : public MemberCodec {
 public:
  Bzip2Codec() : MemberCodec("bzip2") {}
  ~Bzip2Codec() override { end(); }
  Bzip2Codec(const Bzip2Codec&) = delete;
  Bzip2Codec& operator=(const Bzip2Codec&) = delete;

 private:
  void end() {
    if (std::exchange(is_begun_, false)) BZ2_bzDecompressEnd(&stream_);
  }

  bool restart() override {
    end();
    stream_ = {};
    if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) throw std::bad_alloc();
    is_begun_ = true;
    return true;
  }

  Step decode(std::span<const std::byte> from, std::span<std::byte> data) override {
    stream_.next_in = reinterpret_cast<char*>(const_cast<std::byte*>(from.data()));
    stream_.avail_in = static_cast<unsigned>(from.size());
    stream_.next_out = reinterpret_cast<char*>(data.data());
    stream_.avail_out = static_cast<unsigned>(data.size());
    const int status = BZ2_bzDecompress(&stream_);
    if (status == BZ_MEM_ERROR) throw std::bad_alloc();
    return {.consumed = from.size() - stream_.avail_in,
            .produced = data.size() - stream_.avail_out,
            .ended = status == BZ_STREAM_END,
            .failure = status == BZ_OK || status == BZ_STREAM_END ? nullptr
                       : status == BZ_DATA_ERROR_MAGIC            ? "bad magic number"
                                                                  : "bad data"};
  }

  bz_stream stream_{};
  bool is_begun_ = false;
};

// Streams one after another, with padding of zeros in fours: liblzma reads them itself.
class XzCodec : public Codec {
 public:
  XzCodec() {
    if (lzma_stream_decoder(&stream_, kMaximumXzMemory, LZMA_CONCATENATED) != LZMA_OK) throw std::bad_alloc();
  }
  ~XzCodec() override { lzma_end(&stream_); }
  XzCodec(const XzCodec&) = delete;
  XzCodec& operator=(const XzCodec&) = delete;

  std::size_t read(Input& input, std::span<std::byte> data) override {
    while (!ended_) {
      const auto from = input.available();
      stream_.next_in = reinterpret_cast<const std::uint8_t*>(from.data());
      stream_.avail_in = from.size();
      stream_.next_out = reinterpret_cast<std::uint8_t*>(data.data());
      stream_.avail_out = data.size();
      const lzma_ret status = lzma_code(&stream_, from.empty() ? LZMA_FINISH : LZMA_RUN);
      input.consume(from.size() - stream_.avail_in);
      if (status == LZMA_STREAM_END)
        ended_ = true;
      else if (status != LZMA_OK)
        fail(input, status);
      if (const std::size_t count = data.size() - stream_.avail_out; count > 0) return count;
    }
    return 0;
  }

 private:
  [[noreturn]] static void fail(const Input& input, lzma_ret status) {
    switch (status) {
      case LZMA_MEM_ERROR:
        throw std::bad_alloc();
      case LZMA_BUF_ERROR:  // no more input, and the decoder needs some
        input.fail("the xz stream is truncated");
      case LZMA_MEMLIMIT_ERROR:
        input.fail("the xz stream needs more than 256 MiB of memory",
                   "compress it with a smaller dictionary: xz -9 needs 65 MiB");
      case LZMA_FORMAT_ERROR:
        input.fail("the xz stream is corrupt: bad magic number");
      case LZMA_OPTIONS_ERROR:
        input.fail("the xz stream is corrupt: unsupported filters or options");
      default:
        input.fail("the xz stream is corrupt: bad data");
    }
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};

class ZstdCodec : public Codec {
 public:
  ZstdCodec() {
    if (!context_ ||
        ZSTD_isError(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaximumWindowLog)))
      throw std::bad_alloc();
  }

  std::size_t read(Input& input, std::span<std::byte> data) override {
    while (true) {
      const auto from = input.available();
      if (from.empty() && frame_done_) return 0;
      ZSTD_inBuffer in{from.data(), from.size(), 0};
      ZSTD_outBuffer out{data.data(), data.size(), 0};
      const std::size_t status = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(status))
        input.fail(std::string("the zstd stream is corrupt: ") + ZSTD_getErrorName(status));
      input.consume(in.pos);
      frame_done_ = status == 0;
      if (out.pos > 0) return out.pos;
      // Output that the decoder still held would have come out above.
      if (from.empty() && !frame_done_) input.fail("the zstd stream is truncated");
    }
  }

 private:
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_{ZSTD_createDCtx(), ZSTD_freeDCtx};
  bool frame_done_ = true;
};

std::unique_ptr<Codec> make_codec(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return std::make_unique<GzipCodec>();
    case Compression::zstd:
      return std::make_unique<ZstdCodec>();
    case Compression::bzip2:
      return std::make_unique<Bzip2Codec>();
    case Compression::xz:
      return std::make_unique<XzCodec>();
    case Compression::none:
      break;
  }
  return std::make_unique<PlainCodec>();
}

}  // namespace

const char* to_string(Compression compression) {
  static constexpr std::array<const char*, 5> kNames{"none", "gzip", "zstd", "bzip2", "xz"};
  return kNames[static_cast<std::size_t>(compression)];
}

Compression detect_compression(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.starts_with("\x1f\x8b\x08")) return Compression::gzip;
  if (text.starts_with("\x28\xb5\x2f\xfd")) return Compression::zstd;
  // A skippable frame may come first: 0x184D2A50 to 0x184D2A5F, little-endian.
  if (text.size() >= 4 && (static_cast<unsigned char>(text[0]) & 0xf0) == 0x50 &&
      text.substr(1, 3) == "\x2a\x4d\x18")
    return Compression::zstd;
  // With the magic of the first block or of the end: "BZh" alone may be the name of a file in a tar.
  if (text.size() >= 10 && text.starts_with("BZh") &&
      (text.substr(4).starts_with("1AY&SY") || text.substr(4).starts_with("\x17rE8P\x90")))
    return Compression::bzip2;
  if (text.starts_with(std::string_view("\xfd"
                                        "7zXZ\0",
                                        6)))
    return Compression::xz;
  return Compression::none;
}

struct Decompressor::State {
  Input input;
  std::uint64_t remaining;
  std::uint64_t maximum;
  Compression compression = Compression::none;
  std::unique_ptr<Codec> codec = nullptr;

  void start() {
    if (codec) return;
    compression = detect_compression(input.available());
    codec = make_codec(compression);
  }
};

Decompressor::Decompressor(Source source, std::string name, std::uint64_t maximum_output)
    : state_(new State{Input(std::move(source), std::move(name)), maximum_output, maximum_output}) {}

Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;

Compression Decompressor::compression() const {
  state_->start();
  return state_->compression;
}

std::size_t Decompressor::read(std::span<std::byte> data) {
  state_->start();
  std::size_t done = 0;
  while (done < data.size()) {
    const std::size_t count = state_->codec->read(state_->input, data.subspan(done));
    if (count == 0) break;
    if (count > state_->remaining)
      state_->input.fail(
          "the decompressed data exceeds the limit of " + std::to_string(state_->maximum) + " bytes",
          state_->maximum < kMaximumLayer
              ? "if you trust this file, set BOTTLE_MAXIMUM_RATIO=none (docs/limits.md)"
              : "");
    state_->remaining -= count;
    done += count;
  }
  return done;
}

}  // namespace bottle::oci
