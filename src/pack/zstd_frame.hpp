// SPDX-License-Identifier: Apache-2.0
// One zstd frame at a time: packs are concatenations of independent frames.
#pragma once

#include "util/bytes.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace bottle::pack {

constexpr int kDefaultLevel = 3;
constexpr int kMaximumLevel = 19;

// libzstd's version, on which compressed bytes depend: "1.5.4".
std::string zstd_version();

// Compresses with a content checksum, single-threaded: the bytes depend on data, level and libzstd's version
// only. Keeps its working memory between frames; one a thread.
class FrameCompressor {
 public:
  explicit FrameCompressor(int level);
  ~FrameCompressor();
  FrameCompressor(FrameCompressor&&) noexcept;
  Bytes compress(std::span<const std::byte> data);
  // The same into a buffer, which gets as big as the frame is.
  void compress(std::span<const std::byte> data, Bytes& frame);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace bottle::pack
