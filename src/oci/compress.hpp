// SPDX-License-Identifier: Apache-2.0
// Compression of layers for registries: in blocks that are independent members (gzip) or frames (zstd) of one
// stream, so that several threads can work on one layer and the result depends on the bytes and the level
// only. Every reader of the formats takes such streams. Source: RFC 1952 section 2.2, RFC 8878 section 3.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "oci/decompress.hpp"
#include "oci/stream.hpp"

namespace bottle::oci {

// Of gzip 1 to 12, of zstd 1 to 19.
int default_level(Compression compression);
bool is_level(Compression compression, int level);
// "libdeflate 1.14": what, beside bytes and level, the result depends on.
std::string compressor_identity(Compression compression);

class Compressor {
 public:
  // Of gzip, zstd or none.
  Compressor(Compression compression, int level, std::size_t threads, Sink output);
  ~Compressor();
  Compressor(const Compressor&) = delete;

  void write(std::span<const std::byte> data);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bottle::oci
