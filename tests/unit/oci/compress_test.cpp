// SPDX-License-Identifier: Apache-2.0
#include "oci/compress.hpp"

#include <gtest/gtest.h>

#include "util/error.hpp"

namespace bottle::oci {
namespace {

std::string compressed(std::string_view text, Compression compression, std::size_t threads,
                       std::size_t step) {
  std::string result;
  Compressor compressor(compression, default_level(compression), threads,
                        [&](std::span<const std::byte> data) {
                          result.append(reinterpret_cast<const char*>(data.data()), data.size());
                        });
  for (std::size_t at = 0; at < text.size(); at += step)
    compressor.write(std::as_bytes(std::span(text.substr(at, step))));
  compressor.finish();
  return result;
}

std::string decompressed(std::string_view text) {
  Decompressor decompressor(memory_source(std::as_bytes(std::span(text))), "test", 1u << 30);
  std::string result;
  std::string buffer(100'000, '\0');
  while (const std::size_t count = decompressor.read(std::as_writable_bytes(std::span(buffer))))
    result.append(buffer, 0, count);
  return result;
}

TEST(Compress, OutputDoesNotDependOnThreadsAndParts) {
  std::string text;
  for (std::uint64_t i = 0; text.size() < 5'300'000; ++i)
    text += std::to_string(i * 7919) + " ";
  for (const Compression compression : {Compression::gzip, Compression::zstd}) {
    const std::string one = compressed(text, compression, 1, text.size());
    EXPECT_EQ(one, compressed(text, compression, 3, 70'001)) << to_string(compression);
    EXPECT_EQ(detect_compression(std::as_bytes(std::span(one))), compression);
    EXPECT_LT(one.size(), text.size() / 2);
    EXPECT_TRUE(decompressed(one) == text) << to_string(compression);
  }
  EXPECT_TRUE(compressed(text, Compression::none, 3, 70'001) == text);
}

TEST(Compress, EmptyInputIsAStream) {
  for (const Compression compression : {Compression::gzip, Compression::zstd}) {
    const std::string empty = compressed("", compression, 2, 1);
    EXPECT_EQ(detect_compression(std::as_bytes(std::span(empty))), compression);
    EXPECT_EQ(decompressed(empty), "");
  }
}

TEST(Compress, UnsupportedFormatsAndLevelsAreErrors) {
  EXPECT_THROW(Compressor(Compression::xz, 6, 1, {}), Error);
  EXPECT_THROW(Compressor(Compression::gzip, 13, 1, {}), Error);
  EXPECT_THROW(Compressor(Compression::zstd, 0, 1, {}), Error);
}

}  // namespace
}  // namespace bottle::oci
