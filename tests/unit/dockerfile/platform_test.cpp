// SPDX-License-Identifier: Apache-2.0
#include "dockerfile/platform.hpp"

#include <gtest/gtest.h>

#include "dockerfile/stages.hpp"

namespace bottle::dockerfile {
namespace {

TEST(Platform, FoldsAliases) {
  const std::pair<const char*, const char*> rows[] = {
      {"linux/amd64", "linux/amd64"},
      {"linux/x86_64", "linux/amd64"},
      {"Linux/AMD64", "linux/amd64"},
      {"linux/aarch64", "linux/arm64"},
      {"linux/arm64/v8", "linux/arm64/v8"},
      {"linux/arm/v7", "linux/arm/v7"},
      {"linux/arm/6", "linux/arm/v6"},
      {"linux/arm", "linux/arm"},
      {"macos/arm64", "darwin/arm64"},
      {"windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"},
      {"linux/armel", "linux/arm/v6"},
      {"i386", "linux/386"},
      {"s390x", "linux/s390x"},
  };
  for (const auto& [text, shown] : rows) {
    const auto platform = parse_platform(text);
    ASSERT_TRUE(platform) << text;
    EXPECT_EQ(platform->string_with_version(), shown) << text;
  }
  EXPECT_EQ(parse_platform("linux"), normalized(oci::host_platform()));
}

TEST(Platform, RefusesOtherText) {
  for (const char* text :
       {"", "linux/", "a b", "linux/amd64/v1/x", "nonsense", "linux(x/amd64", "lin$ux/amd64"}) {
    EXPECT_FALSE(parse_platform(text)) << text;
  }
}

TEST(References, HaveFamiliarNames) {
  const std::pair<const char*, const char*> rows[] = {
      {"alpine", "alpine"},
      {"alpine:latest", "alpine"},
      {"docker.io/library/alpine:3", "alpine:3"},
      {"index.docker.io/library/alpine", "alpine"},
      {"library/alpine", "alpine"},
      {"me/it:v1", "me/it:v1"},
      {"localhost/x", "localhost/x"},
      {"host:5000/a/b__c:T.1", "host:5000/a/b__c:T.1"},
      {"[::1]:5000/a", "[::1]:5000/a"},
  };
  for (const auto& [text, shown] : rows)
    EXPECT_EQ(familiar_name(text), shown) << text;
  for (const char* text : {"", "UPPER", "a:", "a b", "a//b", "-a", "a:tag!", "a@sha256:12", "$x", "a_-b"}) {
    EXPECT_FALSE(familiar_name(text)) << text;
  }
}

}  // namespace
}  // namespace bottle::dockerfile
