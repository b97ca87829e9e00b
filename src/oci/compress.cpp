// SPDX-License-Identifier: Apache-2.0
#include "oci/compress.hpp"

#include <libdeflate.h>
#include <zstd.h>

#include <algorithm>
#include <vector>

#include "util/error.hpp"
#include "util/parallel.hpp"

namespace bottle::oci {
namespace {

// Larger ones compress hardly better, and each thread holds one twice.
constexpr std::size_t kBlock = 1u << 20;
constexpr std::size_t kMaximumThreads = 8;

struct FreeDeflate {
  void operator()(libdeflate_compressor* compressor) const { ::libdeflate_free_compressor(compressor); }
};
struct FreeZstd {
  void operator()(ZSTD_CCtx* context) const { ::ZSTD_freeCCtx(context); }
};

struct BlockToCompress {
  std::vector<std::byte> input;
  std::vector<std::byte> output;
  std::unique_ptr<libdeflate_compressor, FreeDeflate> deflate;
  std::unique_ptr<ZSTD_CCtx, FreeZstd> zstd;

  void compress(Compression compression, int level) {
    std::size_t size = 0;
    if (compression == Compression::gzip) {
      if (!deflate) deflate.reset(::libdeflate_alloc_compressor(level));
      if (!deflate) throw std::bad_alloc();
      output.resize(::libdeflate_gzip_compress_bound(deflate.get(), input.size()));
      size =
          ::libdeflate_gzip_compress(deflate.get(), input.data(), input.size(), output.data(), output.size());
      if (size == 0) throw Error("libdeflate cannot compress a block");
    } else {
      if (!zstd) zstd.reset(::ZSTD_createCCtx());
      if (!zstd) throw std::bad_alloc();
      output.resize(::ZSTD_compressBound(input.size()));
      size = ::ZSTD_compressCCtx(zstd.get(), output.data(), output.size(), input.data(), input.size(), level);
      if (::ZSTD_isError(size) != 0)
        throw Error(std::string("zstd cannot compress a block: ") + ::ZSTD_getErrorName(size));
    }
    output.resize(size);
  }
};

}  // namespace

int default_level(Compression compression) {
  return compression == Compression::gzip ? 6 : compression == Compression::zstd ? 3 : 0;
}

bool is_level(Compression compression, int level) {
  if (compression == Compression::none) return level == 0;
  return level >= 1 && level <= (compression == Compression::gzip ? 12 : 19);
}

std::string compressor_identity(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return "libdeflate " LIBDEFLATE_VERSION_STRING;
    case Compression::zstd:
      return std::string("zstd ") + ::ZSTD_versionString();
    default:
      return "none";
  }
}

struct Compressor::State {
  Compression compression;
  int level;
  std::size_t threads;
  Sink output;
  std::vector<BlockToCompress> blocks;
  std::size_t full = 0;  // of them
  bool wrote = false;

  void flush() {
    std::size_t count = full;
    if (count < blocks.size() && !blocks[count].input.empty()) ++count;
    if (count == 0) return;
    parallel_for(count, threads, [&](std::size_t i) { blocks[i].compress(compression, level); });
    for (std::size_t i = 0; i < count; ++i) {
      output(blocks[i].output);
      blocks[i].input.clear();
    }
    full = 0;
    wrote = true;
  }
};

Compressor::Compressor(Compression compression, int level, std::size_t threads, Sink output)
    : state_(std::make_unique<State>(State{
          compression, level, std::clamp<std::size_t>(threads, 1, kMaximumThreads), std::move(output), {}})) {
  if (compression != Compression::gzip && compression != Compression::zstd &&
      compression != Compression::none)
    throw Error(std::string("cannot compress a layer: unsupported compression ") + to_string(compression));
  if (compression == Compression::none) return;
  if (!is_level(compression, level))
    throw Error("invalid compression level " + std::to_string(level) + " of " + to_string(compression));
  state_->blocks.resize(2 * state_->threads);
}

Compressor::~Compressor() = default;

void Compressor::write(std::span<const std::byte> data) {
  State& state = *state_;
  if (state.compression == Compression::none) return state.output(data);
  while (!data.empty()) {
    std::vector<std::byte>& input = state.blocks[state.full].input;
    if (input.capacity() < kBlock) input.reserve(kBlock);
    const std::size_t count = std::min(kBlock - input.size(), data.size());
    input.insert(input.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(count));
    data = data.subspan(count);
    if (input.size() == kBlock && ++state.full == state.blocks.size()) state.flush();
  }
}

void Compressor::finish() {
  State& state = *state_;
  if (state.compression == Compression::none) return;
  state.flush();
  if (state.wrote) return;
  state.blocks[0].compress(state.compression, state.level);  // of nothing
  state.output(state.blocks[0].output);
}

}  // namespace bottle::oci
