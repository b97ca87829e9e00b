// SPDX-License-Identifier: Apache-2.0
#include "util/digest.hpp"

#include <gtest/gtest.h>

namespace bottle {
namespace {

// FIPS 180-4 examples.
constexpr const char* kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Digest, MatchesKnownValues) {
  EXPECT_EQ(sha256("").hex(), kEmpty);
  EXPECT_EQ(sha256("abc").hex(), kAbc);
  EXPECT_EQ(sha256("abc").string(), std::string("sha256:") + kAbc);
}

TEST(Digest, HashesInPartsAndIsReusable) {
  Sha256 hasher;
  hasher.update("a");
  hasher.update("");
  hasher.update("bc");
  EXPECT_EQ(hasher.finish().hex(), kAbc);
  EXPECT_EQ(hasher.finish().hex(), kEmpty);
}

TEST(Digest, ReadsOnlyTheCanonicalForm) {
  const std::string hex = kAbc;
  ASSERT_TRUE(Digest::from_hex(hex));
  EXPECT_EQ(Digest::from_hex(hex)->hex(), hex);
  EXPECT_EQ(Digest::parse("sha256:" + hex), Digest::from_hex(hex));
  EXPECT_FALSE(Digest::from_hex(hex.substr(1)));
  EXPECT_FALSE(Digest::from_hex(hex + "0"));
  EXPECT_FALSE(Digest::from_hex("BA" + hex.substr(2)));
  EXPECT_FALSE(Digest::from_hex("g" + hex.substr(1)));
  EXPECT_FALSE(Digest::parse(hex));
  EXPECT_FALSE(Digest::parse("sha512:" + hex));
  EXPECT_FALSE(Digest::parse("SHA256:" + hex));
  EXPECT_FALSE(Digest::parse(""));
}

TEST(Digest, AcceptsHexadecimalDigitsOnly) {
  const std::string hex = sha256("x").hex();
  for (int code = 0; code < 256; ++code) {
    const char c = static_cast<char>(code);
    const bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    for (const std::size_t place : {0u, 1u, 63u}) {
      std::string text = hex;
      text[place] = c;
      const auto digest = Digest::from_hex(text);
      ASSERT_EQ(digest.has_value(), is_digit) << code << " at " << place;
      EXPECT_EQ(digest ? digest->hex() : text, text);
    }
  }
}

TEST(Digest, EmptyIsAllZero) {
  EXPECT_TRUE(Digest().empty());
  EXPECT_FALSE(sha256("").empty());
  EXPECT_EQ(Digest().hex(), std::string(64, '0'));
}

}  // namespace
}  // namespace bottle
