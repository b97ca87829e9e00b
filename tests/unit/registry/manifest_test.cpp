// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/manifest_type.hpp"
#include "registry/push.hpp"
#include "registry/session.hpp"
#include "util/error.hpp"
#include "util/json.hpp"

namespace bottle::registry {
namespace {

constexpr const char* kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

TEST(ManifestType, PrefersTheDocumentsOwnType) {
  EXPECT_EQ(manifest_type(R"({"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})",
                          "text/plain", "w"),
            oci::kIndexType);
  EXPECT_EQ(
      manifest_type(R"({"layers":[],"config":{}})", std::string(kDockerManifest) + "; charset=utf-8", "w"),
      kDockerManifest);
  EXPECT_EQ(manifest_type(R"({"layers":[],"config":{}})", "", "w"), oci::kManifestType);
}

TEST(ManifestType, RefusesContradictions) {
  for (const char* text :
       {R"({"layers":[],"manifests":[]})",
        R"({"mediaType":"application/vnd.oci.image.index.v1+json","layers":[]})", "{}", "[]", "null",
        R"({"schemaVersion":1,"fsLayers":[]})", R"({"mediaType":"x/y","layers":[]})"})
    EXPECT_THROW(manifest_type(text, "", "w"), Error) << text;
  EXPECT_THROW(manifest_type(R"({"layers":[]})", oci::kIndexType, "w"), Error);
}

oci::Descriptor entry(const std::string& content, const std::string& architecture,
                      const std::string& variant = "") {
  return {.media_type = std::string(oci::kManifestType),
          .digest = sha256(content),
          .size = 7,
          .platform = oci::Platform{.os = "linux", .architecture = architecture, .variant = variant}};
}

TEST(MergedIndex, OtherEntriesAreUnchanged) {
  const auto first = merged_index(std::nullopt, entry("a", "amd64"), -1);
  ASSERT_TRUE(first);
  OrderedJson document = OrderedJson::parse(*first);
  document["manifests"][0]["unknown"] = "kept";
  document["annotations"]["x"] = "y";
  const auto second = merged_index(document.dump(), entry("b", "arm64", "v8"), -1);
  ASSERT_TRUE(second);
  const OrderedJson both = OrderedJson::parse(*second);
  EXPECT_EQ(both["manifests"].size(), 2u);
  EXPECT_EQ(both["manifests"][0]["unknown"], "kept");
  EXPECT_EQ(both["annotations"]["x"], "y");
  const auto third = merged_index(*second, entry("c", "arm64", "v8"), -1);
  ASSERT_TRUE(third);
  EXPECT_EQ(OrderedJson::parse(*third)["manifests"][1]["digest"], sha256("c").string());
  EXPECT_FALSE(merged_index(*third, entry("c", "arm64", "v8"), -1)) << "nothing to change";
  EXPECT_EQ(OrderedJson::parse(*merged_index(*third, entry("d", "arm64"), -1))["manifests"].size(), 3u);
}

TEST(MergedIndex, EntriesOfThePlatformAreReplaced) {
  OrderedJson document = OrderedJson::parse(*merged_index(std::nullopt, entry("a", "amd64"), 2));
  document["manifests"].push_back(oci::to_json(entry("b", "amd64")));
  const auto merged = merged_index(document.dump(), entry("a", "amd64"), 2);
  ASSERT_TRUE(merged);
  EXPECT_EQ(OrderedJson::parse(*merged)["manifests"].size(), 1u);
}

// Documents of other writers may have null where a text is expected.
TEST(MergedIndex, UnusualEntriesAreKept) {
  for (const char* odd :
       {"null", "{}", R"({"digest":null})", R"({"platform":null})", R"({"platform":{"os":null}})",
        R"({"platform":{"os":"linux","architecture":"amd64","variant":null}})"}) {
    const auto merged = merged_index(R"({"schemaVersion":2,"manifests":[)" + std::string(odd) + "]}",
                                     entry("a", "amd64"), -1);
    ASSERT_TRUE(merged) << odd;
    EXPECT_THAT(*merged, ::testing::HasSubstr(sha256("a").string())) << odd;
  }
}

TEST(ErrorSummary, IsSafeToShow) {
  EXPECT_EQ(error_summary(R"({"errors":[{"code":"DENIED","message":"no"},{"code":"X"}]})"), "DENIED: no; X");
  EXPECT_EQ(error_summary("{\"errors\":[{\"message\":\"a\\u001b[31m\\nb\"}]}"), "a?[31m?b");
  EXPECT_LE(error_summary(R"({"errors":[{"message":")" + std::string(5000, 'x') + "\"}]}").size(), 300u);
  for (const char* text : {"", "<html>", "[]", "{}", R"({"errors":"x"})"})
    EXPECT_EQ(error_summary(text), "") << text;
}

}  // namespace
}  // namespace bottle::registry
