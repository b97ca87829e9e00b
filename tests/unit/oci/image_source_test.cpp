// SPDX-License-Identifier: Apache-2.0
#include "oci/image_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compressed.hpp"
#include "oci/layout_writer.hpp"
#include "oci/tar_format.hpp"
#include "oci/tar_writer.hpp"
#include "testing.hpp"
#include "util/file.hpp"
#include "util/json.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;

// An image layout made by hand, so that any part of it can be wrong.
class Images : public ::testing::Test {
 protected:
  Images() {
    fs::create_directories(layout() / "blobs/sha256");
    write("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  }

  fs::path layout() const { return directory_.path() / "layout"; }
  void write(const std::string& path, std::string_view content) const {
    write_file(layout() / path, content, Durable::no);
  }
  static std::string blob_path(const std::string& digest) { return "blobs/sha256/" + digest.substr(7); }

  OrderedJson blob(std::string_view type, std::string_view content) const {
    const std::string digest = sha256(content).string();
    write(blob_path(digest), content);
    return {{"mediaType", type}, {"digest", digest}, {"size", content.size()}};
  }

  static std::string config_of(const std::vector<std::string>& tars,
                               const std::string& architecture = "amd64") {
    OrderedJson config{{"architecture", architecture}, {"os", "linux"}, {"config", {{"Env", {"A=b"}}}}};
    config["rootfs"]["type"] = "layers";
    config["rootfs"]["diff_ids"] = OrderedJson::array();
    for (const std::string& tar : tars)
      config["rootfs"]["diff_ids"].push_back(sha256(tar).string());
    return config.dump();
  }

  // A manifest of two layers, gzip and plain.
  OrderedJson image(const std::string& architecture = "amd64") {
    layers_ = {tar_of({file("a", architecture)}), tar_of({file("b", "2")})};
    OrderedJson manifest{{"schemaVersion", 2}, {"mediaType", kManifestType}};
    manifest["config"] = blob(kConfigType, config_of(layers_, architecture));
    manifest["layers"] = {blob(kLayerGzipType, gzip(layers_[0])), blob(kLayerType, layers_[1])};
    manifest_ = manifest;
    return blob(kManifestType, manifest.dump());
  }

  static std::string index_of(const std::vector<OrderedJson>& descriptors) {
    return OrderedJson{{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", descriptors}}.dump();
  }
  void write_index(const std::vector<OrderedJson>& descriptors) const {
    write("index.json", index_of(descriptors));
  }

  static OrderedJson with_platform(OrderedJson descriptor, const std::string& architecture) {
    descriptor["platform"] = {{"architecture", architecture}, {"os", "linux"}};
    return descriptor;
  }
  static OrderedJson with_name(OrderedJson descriptor, const std::string& name) {
    descriptor["annotations"] = {{kRefNameAnnotation, name}};
    return descriptor;
  }

  std::string refused(const ImageSelection& selection = {}) const {
    return error_of([&] {
      const ImageSource source = open_layout(layout(), selection);
      for (const SourceLayer& layer : source.layers)
        layer.import({});
    });
  }

  TemporaryDirectory directory_;
  std::vector<std::string> layers_;
  OrderedJson manifest_;
  const ImageSelection amd64_{.reference = {}, .platform = Platform{"linux", "amd64", ""}};
};

TEST_F(Images, LayoutIsRead) {
  const OrderedJson descriptor = image();
  write_index({descriptor});
  const ImageSource source = open_layout(layout());
  ASSERT_TRUE(source.manifest);
  EXPECT_EQ(source.identity().string(), descriptor["digest"]);
  EXPECT_EQ(source.platform.string(), "linux/amd64");
  EXPECT_EQ(source.config, config_of(layers_));
  ASSERT_EQ(source.layers.size(), 2u);
  std::string tar;
  std::string blob;
  const ImportedLayer layer = source.layers[0].import(append_to(tar), append_to(blob));
  EXPECT_EQ(tar, layers_[0]);
  EXPECT_EQ(blob, gzip(layers_[0]));
  EXPECT_EQ(layer.index.entries.at(0).path, "a");
  EXPECT_EQ(source.layers[1].import({}).index.entries.at(0).path, "b");
}

TEST_F(Images, LayoutOfSymbolicLinksIsRead) {
  write_index({image()});
  fs::rename(layout() / "blobs", directory_.path() / "elsewhere");
  fs::create_directory_symlink("../elsewhere", layout() / "blobs");
  EXPECT_EQ(refused(), "");
}

TEST_F(Images, PlatformIsFoundInNestedIndexes) {
  const OrderedJson arm = with_platform(image("arm64"), "arm64");
  const OrderedJson amd = with_platform(image("amd64"), "amd64");
  OrderedJson attestation = with_platform(amd, "unknown");
  attestation["platform"]["os"] = "unknown";
  const OrderedJson nested = blob(kIndexType, index_of({attestation, arm, amd}));
  write_index({nested});
  EXPECT_EQ(open_layout(layout(), amd64_).identity().string(), amd["digest"]);
  EXPECT_EQ(open_layout(layout(), {.platform = Platform{"linux", "arm64", "v8"}}).identity().string(),
            arm["digest"]);
  EXPECT_THAT(refused({.platform = Platform{"linux", "s390x", ""}}),
              HasSubstr("no image for the platform linux/s390x; the layout holds linux/arm64, linux/amd64"));
  // Several platforms at the top; without a platform the configuration says it.
  OrderedJson bare = amd;
  bare.erase("platform");
  write_index({arm, bare});
  EXPECT_EQ(open_layout(layout(), amd64_).identity().string(), amd["digest"]);
}

TEST_F(Images, ReferencesSelect) {
  const OrderedJson one = with_name(image("amd64"), "one");
  const OrderedJson two = with_name(with_platform(image("x"), "amd64"), "docker.io/library/two:1");
  write_index({one, two});
  EXPECT_THAT(refused(amd64_), AllOf(HasSubstr("2 images"), HasSubstr("one, docker.io/library/two:1")));
  EXPECT_EQ(open_layout(layout(), {.reference = "one"}).identity().string(), one["digest"]);
  EXPECT_EQ(open_layout(layout(), {.reference = "two:1", .platform = amd64_.platform}).identity().string(),
            two["digest"]);
  EXPECT_EQ(open_layout(layout(), {.reference = one["digest"]}).identity().string(), one["digest"]);
  EXPECT_THAT(refused({.reference = "three"}),
              HasSubstr("no image has the name \"three\"; the layout holds one, docker.io/library/two:1"));
  // The same image under two names is one image.
  write_index({one, with_name(one, "other")});
  EXPECT_EQ(refused(), "");
}

TEST_F(Images, MissingShortAndAlteredBlobsAreErrors) {
  write_index({image()});
  ASSERT_EQ(refused(), "");
  std::vector<fs::path> blobs;
  for (const auto& entry : fs::directory_iterator(layout() / "blobs/sha256"))
    blobs.push_back(entry.path());
  ASSERT_EQ(blobs.size(), 4u);
  for (const fs::path& path : blobs) {
    const std::string good = read_file(path);
    const std::string digest = "sha256:" + path.filename().native();
    fs::remove(path);
    EXPECT_THAT(refused(), AllOf(HasSubstr(path.filename().native()), HasSubstr("missing")));
    write_file(path, good.substr(1), Durable::no);
    EXPECT_THAT(refused(), AllOf(HasSubstr(path.native()),
                                 HasSubstr("wrong size: expected " + std::to_string(good.size()) +
                                           " bytes, found " + std::to_string(good.size() - 1))));
    std::string altered = good;
    altered[altered.size() / 2] = static_cast<char>(altered[altered.size() / 2] ^ 1);
    write_file(path, altered, Durable::no);
    EXPECT_THAT(refused(),
                AllOf(HasSubstr(path.native()), HasSubstr("expected " + digest + ", found sha256:")));
    write_file(path, good, Durable::no);
  }
  EXPECT_EQ(refused(), "");
}

TEST_F(Images, InvalidDocumentsAreErrors) {
  EXPECT_THAT(refused(), HasSubstr("no such file: \"index.json\""));
  write_index({});
  EXPECT_THAT(refused(), HasSubstr("lists no image"));
  write("index.json", "{");
  EXPECT_THAT(refused(), HasSubstr("index.json: not valid JSON"));
  write_index({image()});
  write("oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
  EXPECT_THAT(refused(), HasSubstr("oci-layout#/imageLayoutVersion"));
  fs::remove(layout() / "oci-layout");
  EXPECT_THAT(refused(), HasSubstr("no such file: \"oci-layout\""));
}

TEST_F(Images, InconsistentManifestsAreErrors) {
  image();
  const auto refused_with = [&](const std::function<void(OrderedJson&)>& change) {
    OrderedJson manifest = manifest_;
    change(manifest);
    write_index({blob(kManifestType, manifest.dump())});
    return refused();
  };
  EXPECT_THAT(refused_with([](OrderedJson& json) { json["layers"].erase(1); }),
              HasSubstr("2 diff IDs, the manifest 1 layers"));
  EXPECT_THAT(refused_with([](OrderedJson& json) { json["layers"][1]["mediaType"] = "application/zip"; }),
              HasSubstr("layer 2 is a application/zip"));
  EXPECT_THAT(refused_with([](OrderedJson& json) {
                json["config"]["mediaType"] = "application/vnd.oci.empty.v1+json";
              }),
              HasSubstr("an artifact"));
  EXPECT_THAT(refused_with([](OrderedJson& json) { json["config"]["size"] = 100u << 20; }),
              HasSubstr("bytes"));
  EXPECT_THAT(refused_with([](OrderedJson& json) { std::swap(json["layers"][0], json["layers"][1]); }),
              HasSubstr("expected diff ID"));
  EXPECT_EQ(refused_with([](OrderedJson& json) {
              json["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip";
            }),
            "");
}

TEST_F(Images, CyclicIndexesAreErrors) {
  // An index cannot hold its own digest, but a deep chain is as bad.
  OrderedJson inner = with_platform(image("s390x"), "s390x");
  for (int i = 0; i < 10; ++i)
    inner = blob(kIndexType, index_of({inner}));
  write_index({inner});
  EXPECT_THAT(refused(), HasSubstr("nested deeper"));
}

// --- archives -------------------------------------------------------------------------------------------

std::string archive_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string tar;
  for (const auto& [name, content] : files) {
    if (content.starts_with("-> "))
      tar += raw_header({.name = name, .type = '2', .link = content.substr(3)});
    else
      tar += raw_header({.name = name, .size = octal(content.size())}) + padded(content);
  }
  return tar + std::string(1024, '\0');
}

TEST_F(Images, TarOfALayoutIsRead) {
  const OrderedJson descriptor = image();
  write_index({descriptor});
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry : fs::recursive_directory_iterator(layout()))
    if (entry.is_regular_file())
      files.emplace_back(fs::relative(entry.path(), layout()).native(), read_file(entry.path()));
  files.emplace_back("manifest.json", "not looked at");
  const fs::path archive = directory_.path() / "image.tar";
  write_file(archive, archive_of(files), Durable::no);
  const ImageSource source = open_archive(archive);
  EXPECT_EQ(source.identity().string(), descriptor["digest"]);
  for (const SourceLayer& layer : source.layers)
    layer.import({});

  const std::string whole = read_file(archive);
  write_file(archive, whole.substr(0, whole.size() - 3000), Durable::no);
  EXPECT_THAT(error_of([&] { open_archive(archive); }), HasSubstr("image.tar"));
  write_file(archive, gzip(whole), Durable::no);
  EXPECT_THAT(error_of([&] { open_archive(archive); }), HasSubstr("compressed (gzip)"));
  write_file(archive, archive_of({{"x", "y"}}), Durable::no);
  EXPECT_THAT(error_of([&] { open_archive(archive); }), HasSubstr("not an image archive"));
}

// Blobs are read in place from the archive. (Sparse files in layers are another case.)
TEST_F(Images, SparseMembersAreRefused) {
  const fs::path archive = directory_.path() / "image.tar";
  write_file(archive,
             pax({{"GNU.sparse.name", "index.json"}, {"GNU.sparse.size", "9"}, {"GNU.sparse.map", "0,1"}}) +
                 raw_header({.name = "x", .size = octal(1)}) + padded("{") + std::string(tar_end()),
             Durable::no);
  EXPECT_THAT(error_of([&] { open_archive(archive); }),
              HasSubstr("\"index.json\" is stored as a sparse file"));
}

// Entries may be one image for several platforms, of which the best is taken, or several images.
TEST_F(Images, TheBestOfSeveralPlatforms) {
  const auto arm = [&](const std::string& variant) {
    OrderedJson descriptor = with_platform(image("arm" + variant), "arm");
    descriptor["platform"]["variant"] = variant;
    return descriptor;
  };
  const OrderedJson v6 = arm("v6");
  const OrderedJson v7 = arm("v7");
  const ImageSelection wanted{.reference = {}, .platform = Platform{"linux", "arm", "v7", ""}};
  write_index({v6, v7});
  EXPECT_EQ(open_layout(layout(), wanted).identity().string(), v7["digest"]);
  write_index({with_name(v6, "app"), with_name(v7, "app")});
  EXPECT_EQ(open_layout(layout(), wanted).identity().string(), v7["digest"]);
  write_index({v6});
  EXPECT_EQ(open_layout(layout(), wanted).identity().string(), v6["digest"]);
  write_index({with_name(v6, "one"), with_name(v7, "two")});
  EXPECT_THAT(refused(wanted), HasSubstr("2 images"));
}

TEST_F(Images, TagAndDigestMustAgree) {
  const OrderedJson one = with_name(image("amd64"), "one");
  const OrderedJson two = with_name(with_platform(image("x"), "amd64"), "two");
  write_index({one, two});
  const std::string digest = two["digest"];
  EXPECT_EQ(open_layout(layout(), {.reference = "two@" + digest}).identity().string(), digest);
  EXPECT_EQ(open_layout(layout(), {.reference = digest}).identity().string(), digest);
}

TEST_F(Images, OldDockerArchiveIsRead) {
  const std::string one = tar_of({file("a", "1")});
  const std::string two = tar_of({file("b", "2")});
  const std::string config = config_of({one, two, one});
  const std::string config_name = sha256(config).hex() + ".json";
  const Json manifest = Json::array({{{"Config", config_name},
                                      {"RepoTags", {"hello:latest", "example.com:5000/x:1"}},
                                      {"Layers", {"1/layer.tar", "2/layer.tar", "3/layer.tar"}}}});
  const auto open = [&](const std::vector<std::pair<std::string, std::string>>& files,
                        const std::string& reference) {
    const fs::path archive = directory_.path() / "image.tar";
    write_file(archive, archive_of(files), Durable::no);
    return open_archive(archive, {.reference = reference});
  };
  const std::vector<std::pair<std::string, std::string>> files = {{"1/layer.tar", one},
                                                                  {"2/layer.tar", gzip(two)},
                                                                  {"3/layer.tar", "-> ../1/layer.tar"},
                                                                  {config_name, config},
                                                                  {"manifest.json", manifest.dump()}};
  for (const char* reference :
       {"", "hello", "hello:latest", "docker.io/library/hello", "example.com:5000/x:1"}) {
    const ImageSource source = open(files, reference);
    EXPECT_FALSE(source.manifest);
    EXPECT_EQ(source.identity(), sha256(config));
    ASSERT_EQ(source.layers.size(), 3u);
    EXPECT_EQ(source.layers[1].media_type, kLayerGzipType);
    EXPECT_EQ(source.layers[1].import({}).digest, sha256(gzip(two)));
    EXPECT_EQ(source.layers[2].import({}).diff_id, sha256(one));
  }
  EXPECT_THAT(error_of([&] { open(files, "other"); }),
              HasSubstr("no image has the tag \"other\"; the archive holds hello:latest"));

  auto changed = files;
  changed[0].second = two;
  const ImageSource source = open(changed, "");
  EXPECT_THAT(error_of([&] { source.layers[0].import({}); }),
              AllOf(HasSubstr("1/layer.tar"), HasSubstr("expected diff ID")));
  changed = files;
  changed[3].second += " ";
  EXPECT_THAT(error_of([&] { open(changed, ""); }),
              HasSubstr("the configuration does not match the digest in its name"));
  changed = files;
  changed[2].second = "-> ../3/layer.tar";
  EXPECT_THAT(error_of([&] { open(changed, ""); }), HasSubstr("chain of more than 8 links"));
  changed = files;
  changed[2].second = "-> ../../../etc/passwd";
  EXPECT_THAT(error_of([&] { open(changed, ""); }), HasSubstr("3/layer.tar\" is missing"));
  changed = files;
  changed[4].second = R"([{"Config":"../../x","Layers":[]}])";
  EXPECT_THAT(error_of([&] { open(changed, ""); }), HasSubstr("no such file"));
}

TEST(ImageSamples, BusyboxBaseIsRead) {
  const fs::path base = BOTTLE_CONFORMANCE_DIR "/samples/busybox-base";
  if (!fs::exists(base)) GTEST_SKIP() << "no conformance data";
  const ImageSource source = open_layout(base, {.reference = {}, .platform = Platform{"linux", "amd64", ""}});
  MergedTree tree;
  for (const SourceLayer& layer : source.layers)
    tree.apply(layer.import({}).index, layer.blob.name);
  EXPECT_NE(tree.find("bin/busybox"), nullptr);
}

}  // namespace
}  // namespace bottle::oci
