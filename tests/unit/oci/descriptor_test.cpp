// SPDX-License-Identifier: Apache-2.0
#include "oci/descriptor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "testing.hpp"
#include "util/json.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

void parse(const std::string& type, const std::string& text) {
  if (type == "ImageIndex") {
    parse_index(text, "x");
  } else if (type == "Manifest") {
    parse_manifest(text, "x");
  } else if (type == "ImageConfig") {
    parse_config(text, "x");
  } else if (type == "LayoutHeader") {
    check_layout_file(text, "x");
  } else {
    ASSERT_EQ(type, "Descriptor");
    const Json json = parse_json(text, "x");
    parse_descriptor(JsonView(json, "x#"));
  }
}

// What the image specification forbids, and Docker, containerd and skopeo accept, as real images have it.
constexpr const char* kAccepted[] = {
    "minItems: got 0, want 1",  // an image without layers, which BuildKit makes of `FROM scratch` alone
    // Entries of an index that are passed over.
    "missing property 'digest'",
    "missing property 'architecture'",
    "at '/manifests/0/mediaType': '' does not match",
    "unexpected env: \"foo\"",
};

// The image specification's own valid and invalid documents. Where Bottle differs it is on purpose:
TEST(Descriptor, ImageSpecFixtures) {
  std::ifstream lines(BOTTLE_CONFORMANCE_DIR "/data/image-spec/fixtures.jsonl");
  if (!lines) GTEST_SKIP() << "no conformance data";
  std::size_t count = 0;
  std::size_t foreign = 0;
  std::size_t accepted = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const Json fixture = Json::parse(line);
    const std::string text = fixture.at("json");
    const std::string error = error_of([&] { parse(fixture.at("type"), text); });
    const std::string expected = fixture.value("error", "");
    if (error.find("unsupported digest") != std::string::npos) {
      ++foreign;  // only SHA-256 is supported; other well-formed digests are refused with that message
    } else if (std::any_of(std::begin(kAccepted), std::end(kAccepted),
                           [&](const char* known) { return expected.find(known) != std::string::npos; })) {
      ++accepted;
      EXPECT_EQ(error, "");
    } else {
      EXPECT_EQ(error.empty(), fixture.at("valid").get<bool>()) << error << "\n" << text;
    }
  }
  EXPECT_EQ(count, 71u);
  EXPECT_EQ(foreign, 9u);
  EXPECT_EQ(accepted, std::size(kAccepted));
}

TEST(Descriptor, ErrorsNameThePlace) {
  EXPECT_THAT(error_of([] {
                parse_index(
                    R"({"schemaVersion":2,"manifests":[{"mediaType":"a/b","size":-1,"digest":"sha256:)" +
                        std::string(64, 'a') + "\"}]}",
                    "index.json");
              }),
              HasSubstr("index.json#/manifests/0/size"));
  EXPECT_THAT(error_of([] { parse_manifest("{\"schemaVersion\":1}", "m"); }), HasSubstr("schema version 2"));
}

TEST(Descriptor, DockerMediaTypesHaveOciNames) {
  EXPECT_EQ(oci_media_type("application/vnd.docker.image.rootfs.diff.tar.gzip"), kLayerGzipType);
  EXPECT_EQ(oci_media_type("application/x"), "application/x");
  EXPECT_TRUE(is_manifest_type("application/vnd.docker.distribution.manifest.v2+json"));
  EXPECT_TRUE(is_index_type("application/vnd.docker.distribution.manifest.list.v2+json"));
  EXPECT_TRUE(is_layer_type(kLayerZstdType));
  EXPECT_FALSE(is_layer_type("application/vnd.in-toto+json"));
}

}  // namespace
}  // namespace bottle::oci
