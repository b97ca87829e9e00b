// SPDX-License-Identifier: Apache-2.0
// Packs that smolvm's own tools made, or would accept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "pack/crc32.hpp"
#include "pack/extract.hpp"
#include "pack/footer.hpp"
#include "pack/tree.hpp"
#include "pack/verify.hpp"

namespace bottle::pack {
namespace {

const std::string kLayer =
    test::RawTar().add({.name = "./", .type = '5'}).add({.name = "./f", .content = "x"}).finish();
const std::vector<std::pair<std::string, std::string>> kLayers{{"aaaa", kLayer}};

TEST(ForeignPack, ReadsAPackMadeBySmolvm) {
  const fs::path sample = fs::path(BOTTLE_CONFORMANCE_DIR) / "samples/smolvm-made.smolmachine";
  if (!fs::exists(sample)) GTEST_SKIP() << "no sample " << sample;
  const OpenPack pack = open_pack(sample);
  const VerifyReport report = verify_pack(pack);
  EXPECT_EQ(report.entries, 20u);
  EXPECT_THAT(report.findings.warnings, testing::Contains(testing::HasSubstr("smolvm ignores that")));
  EXPECT_EQ(pack.manifest.serialize(), pack.manifest_text);
  const std::vector<TreeRow> rows = tree_of_pack(pack);
  EXPECT_EQ(rows.size(), 19u);
  const TemporaryDirectory directory;
  extract_pack(pack, directory.path() / "x", ExtractWhat::rootfs, Existing::refuse);
  EXPECT_TRUE(compare_trees(rows, tree_of_directory(directory.path() / "x"), Owners::ignore).empty());
}

TEST(ForeignPack, FramesMayEndAnywhere) {
  const std::string tar = test::outer_tar(kLayers);
  const std::string manifest = test::manifest_for(kLayers).serialize();
  for (const std::size_t cut : {1u, 511u, 513u, 1000u})
    EXPECT_EQ(
        test::verify_error_of_bytes(test::pack_bytes(
            test::compressed(tar.substr(0, cut)) + test::compressed("") + test::compressed(tar.substr(cut)),
            manifest)),
        "");
  const std::string skippable("\x50\x2a\x4d\x18\x03\0\0\0abc", 11);
  EXPECT_EQ(
      test::verify_error_of_bytes(test::pack_bytes(skippable + test::compressed(tar) + skippable, manifest)),
      "");
}

TEST(ForeignPack, VersionsAndSingleFilesAreRead) {
  const std::string assets = test::compressed(test::outer_tar(kLayers));
  const std::string manifest = test::manifest_for(kLayers).serialize();
  for (const std::uint32_t version : {1u, 2u, 3u}) {
    Footer footer;
    footer.version = version;
    footer.stub_size = footer.assets_offset = 1000;
    footer.assets_size = assets.size();
    footer.manifest_offset = 1000 + assets.size();
    footer.manifest_size = manifest.size();
    footer.checksum = crc32(crc32(0, assets), manifest);
    const auto end = encode_footer(footer);
    EXPECT_EQ(test::verify_error_of_bytes(std::string(1000, 'S') + assets + manifest +
                                          std::string(reinterpret_cast<const char*>(end.data()), end.size())),
              "");
  }
}

TEST(ForeignPack, MissingLibrariesAndTemplatesAreAccepted) {
  Manifest manifest = test::manifest_for(kLayers);
  manifest.libraries = {{"lib/libkrun.so", 5}};  // listed, not there
  manifest.storage_template = Asset{"storage.ext4", 5};
  EXPECT_EQ(test::verify_error_of_bytes(
                test::pack_bytes(test::compressed(test::outer_tar(kLayers)), manifest.serialize())),
            "");
}

// What verify_pack() warns of in a pack of one layer and `extra` members, with this manifest and footer's
// end.
std::vector<std::string> warnings_of(const Manifest& manifest,
                                     const std::string& reserved = std::string(8, '\0'),
                                     const std::vector<ForeignMember>& foreign = {}) {
  const TemporaryDirectory directory;
  const std::string tar = test::RawTar()
                              .add({.name = "layers/aaaa.tar", .content = kLayer})
                              .add({.name = "storage.ext4", .content = "disk"})
                              .add({.name = "workspace.tar", .content = "seed"})
                              .finish();
  std::string bytes = test::pack_bytes(test::compressed(tar), manifest.serialize(foreign));
  bytes.replace(bytes.size() - reserved.size(), reserved.size(), reserved);
  write_file(directory.path() / "p", bytes, Durable::no);
  return verify_pack(open_pack(directory.path() / "p")).findings.warnings;
}

Manifest current_manifest() {
  Manifest manifest = test::manifest_for(kLayers);
  manifest.smolvm_version = "1.29.0";
  return manifest;
}

TEST(ForeignPack, ReservedBytesAreIgnored) {
  EXPECT_THAT(warnings_of(current_manifest(), "reserved"), testing::IsEmpty());
}

TEST(ForeignPack, WrongSizesOfAssetsAreWarnings) {
  Manifest manifest = current_manifest();
  manifest.storage_template = Asset{"storage.ext4", 4};
  manifest.workspace_seed = Asset{"workspace.tar", 4};
  EXPECT_THAT(warnings_of(manifest), testing::IsEmpty());
  manifest.layers[0].size = 7;
  manifest.storage_template->size = 8;
  manifest.workspace_seed->size = 9;
  EXPECT_THAT(warnings_of(manifest),
              testing::UnorderedElementsAre(testing::HasSubstr("gives layers/aaaa.tar 7 bytes, found 2560"),
                                            testing::HasSubstr("gives storage.ext4 8 bytes, found 4"),
                                            testing::HasSubstr("gives workspace.tar 9 bytes, found 4")));
  manifest = current_manifest();
  manifest.workspace_seed = Asset{"other.tar", 4};
  EXPECT_THAT(warnings_of(manifest), testing::ElementsAre(testing::HasSubstr("other.tar is missing")));
}

TEST(ForeignPack, VersionsThatDoNotParseAreAWarning) {
  Manifest manifest = current_manifest();
  for (const char* version : {"", "bottle 0.1.0"}) {
    manifest.smolvm_version = version;
    EXPECT_THAT(warnings_of(manifest), testing::ElementsAre(testing::HasSubstr("is not a version")))
        << version;
  }
}

TEST(ForeignPack, CheckpointsAreAWarning) {
  const std::vector<ForeignMember> checkpoint{{"/checkpoint", {{"payload", "chunked"}, {"x", {1, 2}}}}};
  EXPECT_THAT(warnings_of(current_manifest(), std::string(8, '\0'), checkpoint),
              testing::ElementsAre(testing::HasSubstr("checkpoint")));
}

TEST(ForeignPack, WindowsUpToTheReadersLimit) {
  // A header that announces a window of 256 MiB: magic, descriptor without content size, window descriptor.
  const std::string frame("\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00", 9);
  EXPECT_THAT(test::verify_error_of_bytes(test::pack_bytes(frame, test::manifest_for(kLayers).serialize())),
              testing::HasSubstr("window"));
}

}  // namespace
}  // namespace bottle::pack
