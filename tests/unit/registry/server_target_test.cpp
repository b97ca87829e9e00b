// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.hpp"
#include "registry/server/target.hpp"

#include <gtest/gtest.h>

#include "registry/server/reply.hpp"

namespace bottle::registry {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

Target good(std::string_view text) {
  ParsedTarget parsed = parse_target(text);
  EXPECT_TRUE(parsed.target) << text << ": " << parsed.fault.message;
  return parsed.target.value_or(Target{});
}

TEST(ServerTarget, RecognizesEachEndpoint) {
  EXPECT_EQ(good("/v2/").endpoint, ApiEndpoint::base);
  EXPECT_EQ(good("/v2").endpoint, ApiEndpoint::base);
  EXPECT_EQ(good("/v2/_catalog?n=1").endpoint, ApiEndpoint::catalog);
  EXPECT_EQ(good("/token?service=x").endpoint, ApiEndpoint::token);
  EXPECT_EQ(good("/v2/a/b/blobs/" + kDigest).endpoint, ApiEndpoint::blob);
  EXPECT_EQ(good("/v2/a/manifests/latest").endpoint, ApiEndpoint::manifest);
  EXPECT_EQ(good("/v2/a/tags/list").endpoint, ApiEndpoint::tags);
  EXPECT_EQ(good("/v2/a/referrers/" + kDigest).endpoint, ApiEndpoint::referrers);
  EXPECT_EQ(good("/v2/a/blobs/uploads/").endpoint, ApiEndpoint::uploads);
  EXPECT_EQ(good("/v2/a/blobs/uploads").endpoint, ApiEndpoint::uploads);
  EXPECT_EQ(good("/v2/a/blobs/uploads/x").endpoint, ApiEndpoint::upload);
}

TEST(ServerTarget, ReadsFromTheEnd) {
  const Target target = good("/v2/blobs/uploads/manifests/tags/manifests/list");
  EXPECT_EQ(target.repository, "blobs/uploads/manifests/tags");
  EXPECT_EQ(target.reference, "list");
}

TEST(ServerTarget, DecodesOnce) {
  EXPECT_EQ(good("/v2/a/manifests/sha256%3A" + std::string(64, 'a')).digest->string(), kDigest);
  EXPECT_EQ(parse_target("/v2/a%252f/tags/list").fault.code, "NAME_INVALID");
  EXPECT_EQ(*good("/v2/?a=%2B+%26&b").query.find("a"), "+ &");
  EXPECT_EQ(*good("/v2/?a=1&b").query.find("b"), "");
  EXPECT_EQ(good("/v2/?t=1&t=2").query.all("t"), (std::vector<std::string>{"1", "2"}));
}

TEST(ServerTarget, RefusesInvalidNames) {
  for (const char* name : {"", "A", "a/", "/a", "a//b", "..", "a..b", "a___b", "_a", "a.", "-", "a/../b"})
    EXPECT_FALSE(oci::is_repository(name)) << name;
  for (const char* name : {"a", "a/b", "a.b", "a_b", "a__b", "a---b", "0", "index.json"})
    EXPECT_TRUE(oci::is_repository(name)) << name;
  EXPECT_TRUE(oci::is_repository(std::string(255, 'a')));
  EXPECT_FALSE(oci::is_repository(std::string(256, 'a')));
  EXPECT_TRUE(oci::is_tag(std::string(128, 'T')));
  for (const std::string& tag :
       {std::string(), std::string(129, 't'), std::string(".a"), std::string("-a"), std::string("a:b")})
    EXPECT_FALSE(oci::is_tag(tag)) << tag;
}

TEST(ServerTarget, RefusesControlCharactersAndBrokenEscapes) {
  for (const char* text :
       {"/v2/a%0a/tags/list", "/v2/a/tags/list?n=%0d", "/v2/%", "/v2/%4", "/v2/%zz", "/v2/a%00/tags/list"})
    EXPECT_EQ(parse_target(text).fault.status, 400) << text;
  EXPECT_EQ(parse_target("/").fault.status, 404);
  EXPECT_EQ(parse_target("").fault.status, 404);
  EXPECT_EQ(parse_target("/v2/../x").fault.status, 404);
}

TEST(ServerTarget, ParsesRanges) {
  const auto part = [](std::string_view header, std::uint64_t size) {
    const WantedRange wanted = parse_range(header, size);
    return wanted.kind == WantedRange::Kind::part
               ? std::to_string(wanted.range.first) + "-" + std::to_string(wanted.range.last)
           : wanted.kind == WantedRange::Kind::whole ? std::string("whole")
                                                     : std::string("unsatisfiable");
  };
  EXPECT_EQ(part("bytes=0-0", 10), "0-0");
  EXPECT_EQ(part("bytes=5-", 10), "5-9");
  EXPECT_EQ(part("bytes=-3", 10), "7-9");
  EXPECT_EQ(part("bytes=-30", 10), "0-9");
  EXPECT_EQ(part("bytes=0-18446744073709551615", 10), "0-9");
  EXPECT_EQ(part("bytes=10-", 10), "unsatisfiable");
  EXPECT_EQ(part("bytes=-0", 10), "unsatisfiable");
  EXPECT_EQ(part("bytes=0-", 0), "unsatisfiable");
  EXPECT_EQ(part("bytes=3-2", 10), "unsatisfiable");
  EXPECT_EQ(part("bytes=0-1,4-5", 10), "whole");
  EXPECT_EQ(part("bytes=x", 10), "whole");
  EXPECT_EQ(part("bytes=-", 10), "whole");
  EXPECT_EQ(part("bytes=18446744073709551616-", 10), "whole");
}

TEST(ServerTarget, ParsesContentRanges) {
  EXPECT_EQ(parse_chunk_range("3-7")->last, 7u);
  EXPECT_EQ(parse_chunk_range("bytes 3-7/*")->first, 3u);
  EXPECT_EQ(parse_chunk_range("bytes 3-7/100")->first, 3u);
  for (const char* text :
       {"", "-", "7-3", "3-", "-3", "a-b", "3-7/8", "bytes 3-7", "bytes 3-7/x", "0-18446744073709551615"})
    EXPECT_FALSE(parse_chunk_range(text)) << text;
}

TEST(ServerTarget, ParsesEntityTags) {
  EXPECT_TRUE(matches_entity_tag("\"a\"", "a"));
  EXPECT_TRUE(matches_entity_tag("\"b\", W/\"a\"", "a"));
  EXPECT_TRUE(matches_entity_tag("*", "a"));
  EXPECT_FALSE(matches_entity_tag("\"b\"", "a"));
  EXPECT_FALSE(matches_entity_tag("", "a"));
}

}  // namespace
}  // namespace bottle::registry
