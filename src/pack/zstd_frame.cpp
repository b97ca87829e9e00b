// SPDX-License-Identifier: Apache-2.0
#include "pack/zstd_frame.hpp"

#include <zstd.h>

#include "util/error.hpp"

namespace bottle::pack {

struct FrameCompressor::Context {
  ZSTD_CCtx* context = nullptr;
  ~Context() { ZSTD_freeCCtx(context); }
};

namespace {

void check(std::size_t result, const char* action) {
  if (ZSTD_isError(result))
    throw Error(std::string(action) + " failed (libzstd): " + ZSTD_getErrorName(result));
}

}  // namespace

std::string zstd_version() {
  return ZSTD_versionString();
}

FrameCompressor::FrameCompressor(int level) : context_(std::make_unique<Context>()) {
  context_->context = ZSTD_createCCtx();
  if (context_->context == nullptr) throw Error("out of memory for compression");
  check(ZSTD_CCtx_setParameter(context_->context, ZSTD_c_compressionLevel, level),
        "setting the compression level");
  check(ZSTD_CCtx_setParameter(context_->context, ZSTD_c_checksumFlag, 1), "asking for a frame checksum");
}

FrameCompressor::~FrameCompressor() = default;
FrameCompressor::FrameCompressor(FrameCompressor&&) noexcept = default;

Bytes FrameCompressor::compress(std::span<const std::byte> data) {
  Bytes frame;
  compress(data, frame);
  frame.shrink_to_fit();
  return frame;
}

void FrameCompressor::compress(std::span<const std::byte> data, Bytes& frame) {
  frame.clear();
  frame.resize(ZSTD_compressBound(data.size()));
  const std::size_t size =
      ZSTD_compress2(context_->context, frame.data(), frame.size(), data.data(), data.size());
  check(size, "compressing");
  frame.resize(size);
}

}  // namespace bottle::pack
