// SPDX-License-Identifier: Apache-2.0
#include "oci/decompress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lzma.h>

#include <functional>

#include "compressed.hpp"
#include "testing.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::string sample(std::size_t size) {
  std::string text;
  for (std::uint32_t value = 12345; text.size() < size; value = value * 1664525 + 1013904223)
    text += std::to_string(value >> 16);
  return text.substr(0, size);
}

std::string expand(const std::string& data, std::uint64_t limit = UINT64_MAX, std::size_t part = 70'000) {
  Decompressor decompressor(memory_source(bytes(data)), "x", limit);
  std::string out;
  std::vector<std::byte> buffer(part);
  while (const std::size_t count = decompressor.read(buffer)) {
    out += text(std::span<const std::byte>(buffer).first(count));
    if (count < buffer.size()) break;
  }
  return out;
}

struct Form {
  const char* name;
  Compression compression;
  std::function<std::string(const std::string&)> compress;
};
// What test programs and CTest show of it, in place of its bytes.
void PrintTo(const Form& form, std::ostream* out) {
  *out << form.name;
}

class Forms : public ::testing::TestWithParam<Form> {};

INSTANTIATE_TEST_SUITE_P(
    Decompress, Forms,
    ::testing::Values(Form{"gzip", Compression::gzip, [](const std::string& data) { return gzip(data); }},
                      Form{"zstd", Compression::zstd, [](const std::string& data) { return zstd(data); }},
                      Form{"bzip2", Compression::bzip2, [](const std::string& data) { return bzip2(data); }},
                      Form{"xz", Compression::xz, [](const std::string& data) { return xz(data); }}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

TEST_P(Forms, SurvivesARoundTrip) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{200'000}}) {
    const std::string data = sample(size);
    const std::string compressed = GetParam().compress(data);
    EXPECT_EQ(detect_compression(bytes(compressed)), GetParam().compression);
    EXPECT_EQ(expand(compressed), data);
    EXPECT_EQ(expand(compressed, size, 7), data);
  }
}

TEST_P(Forms, ConcatenatedStreamsAreRead) {
  EXPECT_EQ(expand(GetParam().compress("one ") + GetParam().compress("two")), "one two");
}

TEST_P(Forms, TruncatedStreamsAreErrors) {
  const std::string compressed = GetParam().compress(sample(1000));
  for (std::size_t size = 10; size < compressed.size(); ++size)
    ASSERT_THAT(error_of([&] { expand(compressed.substr(0, size)); }), HasSubstr("x: offset ")) << size;
}

TEST_P(Forms, AlteredStreamsAreErrors) {
  std::string compressed = GetParam().compress(sample(3000));
  compressed[compressed.size() / 2] = static_cast<char>(compressed[compressed.size() / 2] ^ 0x55);
  EXPECT_NE(error_of([&] { expand(compressed); }), "");
}

TEST_P(Forms, OutputIsBounded) {
  const std::string bomb = GetParam().compress(std::string(1u << 20, 'x'));
  EXPECT_THAT(error_of([&] { expand(bomb, (1u << 20) - 1); }),
              HasSubstr("exceeds the limit of 1048575 bytes"));
}

TEST_P(Forms, SourceErrorsArePassedOn) {
  const std::string compressed = GetParam().compress(sample(1'000'000));
  const std::string half = compressed.substr(0, 140'000);
  Source first = memory_source(bytes(half));
  Decompressor decompressor(
      [&](std::span<std::byte> data) {
        const std::size_t count = first(data);
        if (count < data.size()) throw Error("the disk is on fire");
        return count;
      },
      "x", UINT64_MAX);
  std::vector<std::byte> buffer(2'000'000);
  EXPECT_EQ(error_of([&] { decompressor.read(buffer); }), "the disk is on fire");
}

TEST(Decompress, PlainPassesThrough) {
  EXPECT_EQ(expand("plain"), "plain");
  for (const char* text : {"", "B", "BZh", "BZh9", "BZh is a name"})
    EXPECT_EQ(expand(text), text);
  EXPECT_EQ(expand(sample(500'000)), sample(500'000));
  EXPECT_NE(error_of([&] { expand("plain", 4); }), "");
}

TEST(Decompress, GzipMayBePaddedWithZerosOnly) {
  EXPECT_EQ(expand(gzip("data") + std::string(1000, '\0')), "data");
  EXPECT_NE(error_of([] { expand(gzip("data") + "garbage"); }), "");
  EXPECT_NE(error_of([] { expand(gzip("data") + std::string(10, '\0') + gzip("more")); }), "");
}

TEST(Decompress, Bzip2MayBePaddedWithZerosOnly) {
  EXPECT_EQ(expand(bzip2("data") + std::string(1000, '\0')), "data");
  EXPECT_THAT(error_of([] { expand(bzip2("data") + "garbage"); }), HasSubstr("bad magic number"));
  EXPECT_THAT(error_of([] { expand(bzip2("data") + bzip2("more").substr(0, 3)); }), HasSubstr("truncated"));
}

TEST(Decompress, XzMayBePaddedWithZerosInFoursOnly) {
  EXPECT_EQ(expand(xz("data") + std::string(1000, '\0') + xz("more")), "datamore");
  EXPECT_THAT(error_of([] { expand(xz("data") + std::string(3, '\0')); }), HasSubstr("xz stream is corrupt"));
  EXPECT_THAT(error_of([] { expand(xz("data") + std::string(20, 'x')); }), HasSubstr("xz stream is corrupt"));
}

// A stream whose dictionary has the size code `code` (the XZ format, sections 3.1 and 5.3.1).
std::string xz_with_dictionary(unsigned char code) {
  constexpr std::size_t kBlockHeader = 12;
  std::string data = xz("data");
  const std::size_t filter = data.find("\x21\x01", kBlockHeader);
  data.at(filter + 2) = static_cast<char>(code);
  const std::size_t size = static_cast<unsigned char>(data.at(kBlockHeader)) * 4u;  // without the checksum
  const std::uint32_t checksum =
      lzma_crc32(reinterpret_cast<const std::uint8_t*>(&data[kBlockHeader]), size, 0);
  for (unsigned i = 0; i < 4; ++i)
    data.at(kBlockHeader + size + i) = static_cast<char>(checksum >> (8 * i));
  return data;
}

TEST(Decompress, XzDictionariesAreBounded) {
  EXPECT_EQ(expand(xz_with_dictionary(30)), "data");             // 128 MiB
  EXPECT_THAT(error_of([] { expand(xz_with_dictionary(40)); }),  // 4 GiB
              HasSubstr("needs more than 256 MiB of memory"));
}

TEST(Decompress, SkippableZstdFrames) {
  const std::string skippable("\x50\x2a\x4d\x18\3\0\0\0abc", 11);
  EXPECT_EQ(expand(skippable + zstd("data") + skippable), "data");
}

TEST(Decompress, ZstdWindowsAreBounded) {
  EXPECT_EQ(expand(zstd("data", 27)), "data");
  EXPECT_THAT(error_of([] { expand(zstd("data", 28)); }), HasSubstr("zstd stream is corrupt"));
}

}  // namespace
}  // namespace bottle::oci
