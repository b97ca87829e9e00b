// SPDX-License-Identifier: Apache-2.0
#include "pack/footer.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "pack/crc32.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

Footer example() {
  Footer footer;
  footer.assets_size = 3;
  footer.manifest_offset = 3;
  footer.manifest_size = 2;
  footer.checksum = crc32(crc32(0, "ABC"), "{}");
  return footer;
}

std::string bounds_error(const Footer& footer, std::uint64_t size) {
  try {
    check_footer_bounds(footer, size, "p");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Crc32, MatchesKnownVectors) {
  EXPECT_EQ(crc32(0, "hello world"), 0x0D4A1185u);
  EXPECT_EQ(crc32(0, ""), 0u);
  EXPECT_EQ(crc32(crc32(0, "hello "), "world"), 0x0D4A1185u);
}

TEST(Crc32, CombinesPartialSums) {
  EXPECT_EQ(combine_crc32(crc32(0, "hello "), crc32(0, "world"), 5), 0x0D4A1185u);
  EXPECT_EQ(combine_crc32(0, crc32(0, "hello world"), 11), 0x0D4A1185u);
  EXPECT_EQ(combine_crc32(crc32(0, "hello world"), 0, 0), 0x0D4A1185u);
}

TEST(Footer, GoldenBytes) {
  EXPECT_EQ(hex(encode_footer(example())),
            "534d4f4c5041434b01000000000000000000000000000000000000000300000000000000"
            "0300000000000000020000000000000077880f020000000000000000");
}

TEST(Footer, SurvivesARoundTrip) {
  const Footer footer{3, 1, 0x0102030405060708, 0xfffffffffffffffe, 5, 6, 0xdeadbeef};
  EXPECT_EQ(decode_footer(encode_footer(footer), "p", 0), footer);
}

TEST(Footer, RefusesMagicAndVersion) {
  auto bytes = encode_footer(example());
  bytes[0] = std::byte{'X'};
  EXPECT_THROW(decode_footer(bytes, "p", 0), Error);
  for (const std::uint32_t version : {0u, 4u, 0x01000000u}) {
    Footer footer = example();
    footer.version = version;
    EXPECT_THROW(decode_footer(encode_footer(footer), "p", 0), Error) << version;
  }
}

TEST(Footer, LauncherOfAPackGetsAHint) {
  std::array<std::byte, kFooterSize> bytes{};
  std::memcpy(bytes.data() + 32, "SMOLLIBS", 8);
  try {
    decode_footer(bytes, "p", 0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.hint().find("in the same directory"), std::string::npos);
  }
}

TEST(Footer, OffsetsAreBounded) {
  EXPECT_EQ(bounds_error(example(), 69), "");
  EXPECT_EQ(bounds_error(example(), 75), "");  // unreferenced bytes are for check_footer_exact()
  EXPECT_NE(bounds_error(example(), 68), "");
  Footer footer = example();
  footer.assets_size = UINT64_MAX;
  EXPECT_NE(bounds_error(footer, 69), "");
  footer = example();
  footer.manifest_offset = 4;
  EXPECT_NE(bounds_error(footer, 69), "");
  footer = example();
  footer.manifest_size = (16u << 20) + 1;
  EXPECT_NE(bounds_error(footer, 1ull << 40), "");
  footer = example();
  footer.assets_offset = UINT64_MAX - 1;
  EXPECT_NE(bounds_error(footer, 69), "");
}

TEST(Footer, SingleFilePackIsRead) {
  Footer footer = example();
  footer.stub_size = footer.assets_offset = 100;
  footer.manifest_offset = 103;
  EXPECT_EQ(bounds_error(footer, 169), "");
  footer.stub_size = 99;
  EXPECT_NE(bounds_error(footer, 169), "");
}

TEST(Footer, GapsAreRefused) {
  EXPECT_NO_THROW(check_footer_exact(example(), 69, "p"));
  EXPECT_THROW(check_footer_exact(example(), 70, "p"), Error);
  Footer footer = example();
  footer.stub_size = 1;
  EXPECT_THROW(check_footer_exact(footer, 69, "p"), Error);
}

}  // namespace
}  // namespace bottle::pack
