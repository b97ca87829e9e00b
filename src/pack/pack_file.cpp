// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "pack/crc32.hpp"
#include "pack/limits.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"

namespace bottle::pack {
namespace {

// Decompresses a range of a file of concatenated frames.
class Decompressor {
 public:
  Decompressor(const OpenPack& pack)
      : pack_(pack),
        context_(ZSTD_createDCtx()),
        begin_(pack.footer.assets_offset),
        end_(pack.footer.assets_offset + pack.footer.assets_size),
        offset_(begin_),
        buffer_(256u << 10) {
    if (!context_) throw Error("out of memory for decompression");
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaximumWindowLog);
  }

  std::size_t read(std::span<std::byte> data) {
    check_interrupted();
    ZSTD_outBuffer out{data.data(), data.size(), 0};
    while (out.pos < out.size) {
      if (in_.pos == in_.size && !full_ && !refill()) break;
      const std::size_t before = out.pos;
      const std::size_t used = in_.pos;
      const std::size_t result = ZSTD_decompressStream(context_.get(), &out, &in_);
      if (ZSTD_isError(result)) fail(result);
      frame_is_open_ = result != 0;
      // A full output may hide more of it inside the decoder: it is asked again before more input is read.
      full_ = out.pos == out.size && frame_is_open_;
      if (out.pos == before && in_.pos == used && in_.pos == in_.size) full_ = false;
    }
    if (out.pos < out.size && frame_is_open_)
      throw Error(
          "the compressed data is truncated: expected the rest of a zstd frame, found the end of the assets",
          {.where = fmt::format("{}: offset {}", pack_.name, end_)});
    return out.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };

  bool refill() {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(end_ - offset_, buffer_.size()));
    if (part == 0) return false;
    const std::size_t count =
        pread_some(pack_.file.get(), std::span(buffer_).first(part), offset_, pack_.name);
    if (count == 0)
      throw Error("the file was truncated while it was read",
                  {.where = fmt::format("{}: offset {}", pack_.name, offset_)});
    offset_ += count;
    in_ = {buffer_.data(), count, 0};
    return true;
  }

  [[noreturn]] void fail(std::size_t result) const {
    const std::uint64_t at = offset_ - (in_.size - in_.pos);
    std::string message = fmt::format("the compressed data is corrupt: {}", ZSTD_getErrorName(result));
    if (ZSTD_getErrorCode(result) == ZSTD_error_prefix_unknown)
      message = "not a zstd frame: expected one at the beginning of the assets or after the last frame";
    if (ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge)
      message = fmt::format("a zstd frame needs a window of more than {} bytes: smolvm refuses it",
                            std::uint64_t{1} << kMaximumWindowLog);
    throw Error(message, {.where = fmt::format("{}: offset {}", pack_.name, at)});
  }

  const OpenPack& pack_;
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  std::uint64_t begin_;
  std::uint64_t end_;
  std::uint64_t offset_;
  std::vector<std::byte> buffer_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool frame_is_open_ = false;
  bool full_ = false;
};

}  // namespace

oci::Source OpenPack::assets() const {
  return [decompressor = std::make_shared<Decompressor>(*this)](std::span<std::byte> data) {
    return decompressor->read(data);
  };
}

std::uint32_t OpenPack::checksum() const {
  std::vector<std::byte> buffer(1u << 20);
  std::uint32_t crc = 0;
  std::uint64_t offset = footer.assets_offset;
  const std::uint64_t end = footer.manifest_offset + footer.manifest_size;
  while (offset < end) {
    check_interrupted();
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(end - offset, buffer.size()));
    const std::size_t count = pread_some(file.get(), std::span(buffer).first(part), offset, name);
    if (count == 0)
      throw Error("the file was truncated while it was read",
                  {.where = fmt::format("{}: offset {}", name, offset)});
    crc = crc32(crc, std::span(buffer).first(count));
    offset += count;
  }
  return crc;
}

OpenPack open_pack(const fs::path& path) {
  OpenPack pack;
  pack.name = path.native();
  pack.file = open_for_reading(path, O_NONBLOCK);
  const struct stat status = stat_of(pack.file.get(), pack.name);
  if (!S_ISREG(status.st_mode)) throw Error("expected a pack, found no regular file", {.where = pack.name});
  pack.size = static_cast<std::uint64_t>(status.st_size);
  if (pack.size < kFooterSize)
    throw Error(
        fmt::format("too short for a pack: expected at least {} bytes, found {}", kFooterSize, pack.size),
        {.where = pack.name});
  std::array<std::byte, kFooterSize> bytes{};
  const std::uint64_t at = pack.size - kFooterSize;
  if (pread_some(pack.file.get(), bytes, at, pack.name) != bytes.size())
    throw Error("the file was truncated while it was read", {.where = pack.name});
  pack.footer = decode_footer(bytes, pack.name, at);
  check_footer_bounds(pack.footer, pack.size, pack.name);
  pack.manifest_text.resize(static_cast<std::size_t>(pack.footer.manifest_size));
  if (pread_some(pack.file.get(), std::as_writable_bytes(std::span(pack.manifest_text)),
                 pack.footer.manifest_offset, pack.name) != pack.manifest_text.size())
    throw Error("the file was truncated while it was read", {.where = pack.name});
  pack.manifest = parse_manifest(
      pack.manifest_text, fmt::format("{}: manifest at offset {}", pack.name, pack.footer.manifest_offset));
  return pack;
}

}  // namespace bottle::pack
