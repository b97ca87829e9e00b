// SPDX-License-Identifier: Apache-2.0
#include "oci/index_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

// Documents by their digests, and indexes of them. Each image is known by a word in its manifest.
class IndexChoice : public ::testing::Test {
 protected:
  OrderedJson document(std::string_view type, const std::string& text) {
    const Digest digest = sha256(text);
    documents_[digest.string()] = text;
    return {{"mediaType", type}, {"digest", digest.string()}, {"size", text.size()}};
  }

  static OrderedJson platform(const std::string& architecture, const std::string& variant = "") {
    OrderedJson json{{"os", "linux"}, {"architecture", architecture}};
    if (!variant.empty()) json["variant"] = variant;
    return json;
  }

  // An entry without a platform; the configuration says it.
  OrderedJson bare(const std::string& word, const std::string& architecture,
                   std::string_view config_type = kConfigType) {
    const OrderedJson config =
        document(config_type, R"({"os":"linux","architecture":")" + architecture + "\"}");
    const OrderedJson manifest{{"schemaVersion", 2}, {"config", config}, {"annotations", {{"word", word}}}};
    OrderedJson entry = document(kManifestType, manifest.dump());
    words_[entry["digest"]] = word;
    return entry;
  }
  OrderedJson named(const std::string& word, const std::string& architecture,
                    const std::string& variant = "") {
    OrderedJson entry = bare(word, architecture);
    entry["platform"] = platform(architecture, variant);
    return entry;
  }
  static std::string text_of(const OrderedJson& entries) {
    return OrderedJson{{"schemaVersion", 2}, {"manifests", entries}}.dump();
  }
  OrderedJson nested(const OrderedJson& entries) { return document(kIndexType, text_of(entries)); }
  static OrderedJson with(OrderedJson entry, const char* member, const OrderedJson& value) {
    entry[member] = value;
    return entry;
  }

  // The word of the image that is chosen, "none", or the error.
  std::string choice(const OrderedJson& entries, const Platform& wanted = {"linux", "amd64", "", ""}) {
    read_.clear();
    std::string result = "none";
    const std::string error = error_of([&] {
      const auto chosen = choose_image(
          parse_index(text_of(entries), "index"), wanted,
          [&](const Descriptor& descriptor) -> std::optional<std::string> {
            read_.push_back(descriptor.media_type);
            const auto found = documents_.find(descriptor.digest.string());
            return found == documents_.end() ? std::nullopt : std::optional(found->second);
          },
          "index");
      if (chosen) result = words_.at(chosen->digest.string());
    });
    return error.empty() ? result : error;
  }

  std::map<std::string, std::string> documents_;
  std::map<std::string, std::string> words_;
  std::vector<std::string> read_;
};

using Entries = std::vector<OrderedJson>;

// What Docker Engine 28.5 does is the same but where it is remarked.
TEST_F(IndexChoice, ChoosesByPlatform) {
  EXPECT_EQ(choice(Entries{named("a", "arm64"), named("b", "amd64")}), "b");
  EXPECT_TRUE(read_.empty()) << "nothing has to be read";
  EXPECT_EQ(choice(Entries{named("first", "amd64"), named("second", "amd64")}), "first");
  EXPECT_EQ(choice(Entries{named("v1", "amd64", "v1"), named("plain", "amd64")}), "v1");
  const Platform arm_v7{"linux", "arm", "v7", ""};
  EXPECT_EQ(choice(Entries{named("v6", "arm", "v6"), named("v7", "arm", "v7")}, arm_v7), "v7");
  EXPECT_EQ(choice(Entries{named("v5", "arm", "v5"), named("v6", "arm", "v6")}, arm_v7), "v6");
  EXPECT_EQ(choice(Entries{named("v8", "arm", "v8")}, arm_v7), "none");
  EXPECT_EQ(choice(Entries{named("386", "386")}), "386");
  EXPECT_EQ(choice(Entries{}), "none");
  EXPECT_EQ(choice(nullptr), "none");
}

TEST_F(IndexChoice, ReadsThePlatformOfTheConfiguration) {
  EXPECT_EQ(choice(Entries{bare("image", "amd64")}), "image");
  EXPECT_EQ(choice(Entries{bare("other", "arm64")}), "none");
  EXPECT_EQ(choice(Entries{bare("bare", "amd64"), named("named", "amd64")}), "named");
  EXPECT_EQ(choice(Entries{bare("bare", "amd64"), named("386", "386")}), "386");
  // (Docker looks at the first alone.)
  EXPECT_EQ(choice(Entries{bare("a", "arm64"), bare("b", "amd64")}), "b");
  EXPECT_EQ(choice(Entries{with(bare("null", "amd64"), "platform", nullptr)}), "null");
  EXPECT_EQ(choice(Entries{bare("artifact", "amd64", "application/vnd.x+json")}), "none");
  // What is not at hand is passed over.
  OrderedJson absent = bare("absent", "amd64");
  documents_.erase(absent["digest"]);
  EXPECT_EQ(choice(Entries{absent, bare("there", "amd64")}), "there");
}

TEST_F(IndexChoice, IncompletePlatformsAreCompletedOrSkipped) {
  const auto of = [&](const OrderedJson& platform) {
    return Entries{with(bare("x", "amd64"), "platform", platform)};
  };
  EXPECT_EQ(choice(of(OrderedJson::object())), "none");
  EXPECT_EQ(choice(of({{"os", "linux"}, {"architecture", ""}})), "none");
  EXPECT_EQ(choice(of({{"os", ""}, {"architecture", "amd64"}})), "x");
  EXPECT_EQ(choice(of({{"architecture", "amd64"}})), "x");
  EXPECT_EQ(choice(of({{"os", "linux"}, {"architecture", "amd64"}, {"variant", nullptr}})), "x");
  EXPECT_EQ(choice(of({{"os", "Linux"}, {"architecture", "x86_64"}})), "x");
  EXPECT_EQ(choice(of({{"os", "linux"}, {"architecture", "amd64"}, {"os.version", "5.1"}})), "x");
  EXPECT_THAT(choice(of("linux/amd64")), HasSubstr("index#/manifests/0/platform"));
  EXPECT_THAT(choice(of({{"os", 5}})), HasSubstr("index#/manifests/0/platform/os"));
}

TEST_F(IndexChoice, ReadsNestedIndexes) {
  EXPECT_EQ(choice(Entries{nested(Entries{named("inner", "amd64")})}), "inner");
  EXPECT_EQ(choice(Entries{nested(Entries{nested(Entries{bare("deep", "amd64")})})}), "deep");
  EXPECT_EQ(choice(Entries{nested(Entries{named("inner", "amd64")}), named("outer", "amd64")}), "outer");
  EXPECT_EQ(choice(Entries{nested(Entries{named("inner", "arm64")}), bare("bare", "amd64")}), "bare");
  EXPECT_EQ(choice(Entries{with(nested(Entries{named("inner", "amd64")}), "platform", platform("amd64"))}),
            "inner");
  OrderedJson index = nested(Entries{named("x", "amd64")});
  for (int depth = 0; depth < 5; ++depth)
    index = nested(Entries{index});
  EXPECT_THAT(choice(Entries{index}), HasSubstr("nested deeper than 4 levels"));
}

TEST_F(IndexChoice, SkipsAttestationsAndOtherTypes) {
  const OrderedJson unknown{{"os", "unknown"}, {"architecture", "unknown"}};
  const OrderedJson marked{{"vnd.docker.reference.type", "attestation-manifest"}};
  EXPECT_EQ(choice(Entries{with(bare("a", "amd64"), "platform", unknown), named("image", "amd64")}), "image");
  // (Docker does not look at the annotation.)
  EXPECT_EQ(choice(Entries{with(named("a", "amd64"), "annotations", marked), named("image", "amd64")}),
            "image");
  EXPECT_EQ(choice(Entries{with(named("a", "amd64"), "mediaType", "application/x"), named("image", "amd64")}),
            "image");
  EXPECT_EQ(choice(Entries{with(named("a", "amd64"), "mediaType", "")}), "none");
}

// An entry for another platform is skipped.
TEST_F(IndexChoice, UnusableEntriesAreSkippedOrErrors) {
  const std::string sha512 = "sha512:" + std::string(128, '0');
  const OrderedJson image = named("image", "amd64");
  for (const OrderedJson& digest : {OrderedJson(sha512), OrderedJson("multihash+base58:QmRZxt2b1FVZPNqd8hsi"),
                                    OrderedJson(""), OrderedJson(nullptr)})
    EXPECT_EQ(choice(Entries{with(named("other", "arm64"), "digest", digest), image}), "image") << digest;
  for (const char* member : {"size", "mediaType", "annotations", "urls", "data", "artifactType"})
    EXPECT_EQ(choice(Entries{with(named("other", "arm64"), member, nullptr), image}), "image") << member;
  EXPECT_EQ(choice(Entries{OrderedJson(nullptr), image}), "image");
  EXPECT_THAT(choice(Entries{with(named("x", "amd64"), "digest", sha512)}), HasSubstr("unsupported digest"));
  EXPECT_THAT(choice(Entries{with(named("x", "amd64"), "digest", nullptr)}), HasSubstr("has no digest"));
  EXPECT_THAT(choice(Entries{with(named("x", "arm64"), "digest", "sha256:0"), image}),
              HasSubstr("index#/manifests/0/digest"));
}

TEST_F(IndexChoice, ListsAllImagesOfAnIndex) {
  const Entries entries{bare("bare", "386"), named("amd", "amd64"),
                        nested(Entries{named("arm", "arm", "v7")})};
  const auto images = list_images(
      parse_index(text_of(entries), "index"),
      [&](const Descriptor& descriptor) { return documents_.at(descriptor.digest.string()); }, "index");
  EXPECT_EQ(platform_names(images), "linux/amd64, linux/386, linux/arm/v7");
}

}  // namespace
}  // namespace bottle::oci
