// SPDX-License-Identifier: Apache-2.0
#include "store/action_file.hpp"

#include "store/layout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bottle::store {
namespace {

using testing::HasSubstr;

std::string sample(const Digest& key) {
  ActionResult result;
  result.kind = "frame";
  result.label = "label";
  result.outputs["frame"] = {sha256("frame"), 5};
  result.facts["crc32"] = "7";
  result.tool_version = "0.1.0";
  return serialize_action(key, result);
}

// The tail of a text with a right checksum, whatever the body is.
std::string sealed(const std::string& body) {
  return body + ",\"check\":\"" + sha256(body).hex() + "\"}\n";
}

TEST(ActionFile, HasTheDocumentedForm) {
  const Digest key = sha256("key");
  const std::string body =
      "{\"schema\":1,\"key\":\"" + key.hex() +
      "\",\"kind\":\"frame\",\"label\":\"label\",\"outputs\":{\"frame\":{\"digest\":\"" +
      sha256("frame").string() +
      "\",\"size\":5}},\"facts\":{\"crc32\":\"7\"},\"tool\":\"0.1.0\",\"milliseconds\":0";
  EXPECT_EQ(sample(key), sealed(body));
  EXPECT_TRUE(parse_action(key, sample(key)).result);
}

TEST(ActionFile, EveryTruncationIsDetected) {
  const Digest key = sha256("key");
  const std::string text = sample(key);
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(parse_action(key, text.substr(0, length)).result) << length;
  EXPECT_FALSE(parse_action(key, text + "\n").result);
  EXPECT_FALSE(parse_action(key, std::string(text.size(), '\0')).result);
}

TEST(ActionFile, EveryAlteredByteIsDetected) {
  const Digest key = sha256("key");
  const std::string text = sample(key);
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string altered = text;
    altered[at] = static_cast<char>(altered[at] ^ 1);
    EXPECT_FALSE(parse_action(key, altered).result) << at;
  }
}

TEST(ActionFile, BelongsToItsKey) {
  const ParsedAction parsed = parse_action(sha256("other"), sample(sha256("key")));
  EXPECT_FALSE(parsed.result);
  EXPECT_THAT(parsed.problem, HasSubstr(sha256("key").hex()));
}

TEST(ActionFile, OtherSchemaIsAMiss) {
  const ParsedAction parsed = parse_action(sha256("key"), sealed("{\"schema\":2,\"other\":[]"));
  EXPECT_FALSE(parsed.result);
  EXPECT_TRUE(parsed.other_version);
}

TEST(ActionFile, ErrorsNameInvalidMembers) {
  const Digest key = sha256("key");
  const std::string start = "{\"schema\":1,\"key\":\"" + key.hex() + "\",\"kind\":\"k\",\"label\":\"l\",";
  EXPECT_THAT(parse_action(key, sealed(start + "\"outputs\":[]")).problem,
              HasSubstr("/outputs: expected an object"));
  EXPECT_THAT(
      parse_action(key, sealed(start + "\"outputs\":{\"a\":{\"digest\":\"md5:1\",\"size\":1}}")).problem,
      HasSubstr("/outputs/a/digest: expected sha256:"));
  EXPECT_THAT(parse_action(key, sealed(start + "\"outputs\":{}")).problem, HasSubstr("\"facts\" is missing"));
  EXPECT_THAT(parse_action(key, sealed("not JSON")).problem, HasSubstr("not valid JSON"));
}

TEST(Tombstones, DistinguishDamageFromEviction) {
  EXPECT_EQ(parse_damaged_tombstone(damaged_tombstone("bad \"bytes\"\xff")), "bad \"bytes\"\xef\xbf\xbd");
  EXPECT_EQ(parse_damaged_tombstone(sample(sha256("key"))), std::nullopt);
  EXPECT_TRUE(parse_damaged_tombstone("").has_value());
}

}  // namespace
}  // namespace bottle::store
