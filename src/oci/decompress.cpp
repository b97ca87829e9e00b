#include "oci/decompress.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "oci/archive_library.hpp"
#include "oci/layer_import.hpp"
#include "util/error.hpp"

namespace bottle::oci {
namespace {

constexpr std::size_t kInputBuffer = 128u << 10;
constexpr int kMaximumWindowLog = 27;

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

class GzipCodec : public Codec {
 public:
  GzipCodec() {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~GzipCodec() override { inflateEnd(&stream_); }
  GzipCodec(const GzipCodec&) = delete;
  GzipCodec& operator=(const GzipCodec&) = delete;

  std::size_t read(Input& input, std::span<std::byte> data) override {
    while (true) {
      auto from = input.available();
      if (!in_member_ && !start_member(input, from)) return 0;
      from = input.available();
      if (from.empty()) input.fail("the gzip stream is cut off");
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));
      stream_.avail_in = static_cast<uInt>(from.size());
      const auto size = static_cast<uInt>(std::min<std::size_t>(data.size(), 1u << 30));
      stream_.next_out = reinterpret_cast<Bytef*>(data.data());
      stream_.avail_out = size;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      input.consume(from.size() - stream_.avail_in);
      if (status == Z_STREAM_END)
        in_member_ = false;
      else if (status != Z_OK && status != Z_BUF_ERROR)
        input.fail(std::string("the gzip stream is broken: ") +
                   (stream_.msg != nullptr ? stream_.msg : "bad data"));
      if (const std::size_t count = size - stream_.avail_out; count > 0) return count;
    }
  }

 private:
  // Zeros after the last member are padding (tape blocks); other bytes must be a member.
  bool start_member(Input& input, std::span<const std::byte> from) {
    while (members_ > 0 && !from.empty() && from.front() == std::byte{0}) {
      const auto other =
          std::find_if(from.begin(), from.end(), [](std::byte byte) { return byte != std::byte{0}; });
      padded_ = true;
      input.consume(static_cast<std::size_t>(other - from.begin()));
      from = input.available();
    }
    if (from.empty()) return false;
    if (padded_) input.fail("bytes that are not gzip follow the gzip stream");
    if (inflateReset(&stream_) != Z_OK) input.fail("the gzip decoder cannot start again");
    ++members_;
    in_member_ = true;
    return true;
  }

  z_stream stream_{};
  bool in_member_ = false;
  bool padded_ = false;
  std::uint64_t members_ = 0;
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
        input.fail(std::string("the zstd stream is broken: ") + ZSTD_getErrorName(status));
      input.consume(in.pos);
      frame_done_ = status == 0;
      if (out.pos > 0) return out.pos;
      // Output that the decoder still held would have come out above.
      if (from.empty() && !frame_done_) input.fail("the zstd stream is cut off");
    }
  }

 private:
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_{ZSTD_createDCtx(), ZSTD_freeDCtx};
  bool frame_done_ = true;
};

// bzip2 and xz through libarchive, which reads its input by a callback.
class ArchiveCodec : public Codec {
 public:
  explicit ArchiveCodec(Compression compression) : archive_(library_.read_new(), library_.read_free) {
    if (!archive_) throw std::bad_alloc();
    library_.read_support_format_raw(archive_.get());
    if (compression == Compression::xz)
      library_.read_support_filter_xz(archive_.get());
    else
      library_.read_support_filter_bzip2(archive_.get());
  }

  std::size_t read(Input& input, std::span<std::byte> data) override {
    input_ = &input;
    if (!opened_) {
      opened_ = true;
      archive_entry* entry = nullptr;
      if (library_.read_open(archive_.get(), this, nullptr, read_input, nullptr) != ARCHIVE_OK ||
          library_.read_next_header(archive_.get(), &entry) != ARCHIVE_OK)
        fail();
      // A stream too short to be recognised would pass as uncompressed.
      if (library_.filter_code(archive_.get(), 0) == ARCHIVE_FILTER_NONE)
        input.fail("the compressed stream is cut off");
    }
    const la_ssize_t count = library_.read_data(archive_.get(), data.data(), data.size());
    if (count < 0) fail();
    return static_cast<std::size_t>(count);
  }

 private:
  [[noreturn]] void fail() {
    if (failure_) std::rethrow_exception(failure_);
    const char* reason = library_.error_string(archive_.get());
    input_->fail(std::string("the compressed stream is broken: ") +
                 (reason != nullptr ? reason : "bad data"));
  }

  // Gives whole buffers; what was given last is consumed at the next call. Exceptions must not cross C.
  static la_ssize_t read_input(struct archive* archive, void* self, const void** data) {
    auto& codec = *static_cast<ArchiveCodec*>(self);
    try {
      codec.input_->consume(std::exchange(codec.given_, 0));
      const auto from = codec.input_->available();
      *data = from.data();
      codec.given_ = from.size();
      return static_cast<la_ssize_t>(from.size());
    } catch (...) {
      codec.failure_ = std::current_exception();
      codec.library_.set_error(archive, EIO, "cannot read");
      return ARCHIVE_FATAL;
    }
  }

  const ArchiveLibrary& library_ = libarchive();
  std::unique_ptr<struct archive, decltype(&::archive_read_free)> archive_;
  Input* input_ = nullptr;
  std::size_t given_ = 0;
  bool opened_ = false;
  std::exception_ptr failure_;
};

std::unique_ptr<Codec> make_codec(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return std::make_unique<GzipCodec>();
    case Compression::zstd:
      return std::make_unique<ZstdCodec>();
    case Compression::bzip2:
    case Compression::xz:
      return std::make_unique<ArchiveCodec>(compression);
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
          "it decompresses to more than the limit of " + std::to_string(state_->maximum) + " bytes",
          state_->maximum < kMaximumLayer
              ? "if it is what it should be, set BOTTLE_MAXIMUM_RATIO=none (docs/limits.md)"
              : "");
    state_->remaining -= count;
    done += count;
  }
  return done;
}

}  // namespace bottle::oci
