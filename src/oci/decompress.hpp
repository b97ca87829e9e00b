// SPDX-License-Identifier: Apache-2.0
// Streaming decompression of layer blobs and local archives, chosen by magic bytes.
// Source: RFC 1952 (gzip), RFC 8878 (zstd), OCI image-spec layer.md "+gzip", "+zstd" media types. bzip2 and
// xz are for local archives in ADD.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "oci/stream.hpp"

namespace bottle::oci {

enum class Compression { none, gzip, zstd, bzip2, xz };

const char* to_string(Compression compression);
// By the first bytes (10 are enough). Anything unknown is `none`.
Compression detect_compression(std::span<const std::byte> head);

// Decompresses a whole source: all gzip and bzip2 members, all zstd frames, all
// xz streams.
class Decompressor {
 public:
  // More than `maximum_output` bytes of output is an Error, and so is a zstd frame with a window over 128
  // MiB. `name` is for messages, which carry the offset in the input.
  Decompressor(Source source, std::string name, std::uint64_t maximum_output);
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;

  Compression compression() const;  // reads the first bytes if nothing has been read yet
  // A Source: fewer bytes than asked for only at the end. The end is reached only if the input was whole.
  std::size_t read(std::span<std::byte> data);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bottle::oci
