// SPDX-License-Identifier: Apache-2.0
#include "oci/layout_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/tar_writer.hpp"
#include "testing.hpp"
#include "util/file.hpp"

#include <sys/wait.h>
#include <unistd.h>

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class Layout : public ::testing::Test {
 protected:
  fs::path target() const { return directory_.path() / "image"; }

  // An image of one layer with one file.
  void write(const std::string& content, const std::string& ref_name = "latest") const {
    const auto before = read_index();
    LayoutWriter writer(target());
    const std::string tar = tar_of({file("f", content)});
    const WrittenLayer layer = writer.write_layer([&](const Sink& sink) {
      sink(bytes(tar).first(100));
      sink(bytes(tar).subspan(100));
    });
    EXPECT_EQ(layer.diff_id, sha256(tar));
    const Descriptor config = writer.write_blob(
        kConfigType, R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[")" +
                         layer.diff_id.string() + "\"]}}");
    const Descriptor manifest = writer.write_manifest(config, {layer.descriptor}, {{"a", "b"}});
    // Until the commit the target is what it was.
    EXPECT_EQ(read_index(), before);
    writer.commit(manifest, Platform{"linux", "amd64", ""}, ref_name);
  }

  std::optional<std::string> read_index() const { return read_file_if_exists(target() / "index.json"); }

  std::string read_content() const {
    const ImageSource source =
        open_layout(target(), {.reference = "latest", .platform = Platform{"linux", "amd64", ""}});
    return content_of(source.layers.at(0).import({}).index.entries.at(0).digest);
  }

  std::vector<std::string> siblings() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_.path()))
      names.push_back(entry.path().filename().native());
    return names;
  }

  TemporaryDirectory directory_;
};

TEST_F(Layout, IsWrittenAndReplacedWhole) {
  write("one");
  EXPECT_EQ(read_content(), "one");
  write("two");
  EXPECT_EQ(read_content(), "two");
  // Nothing of the first image is left.
  std::size_t blobs = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(target() / "blobs/sha256"))
    ++blobs;
  EXPECT_EQ(blobs, 3u);
  EXPECT_EQ(siblings(), std::vector<std::string>{"image"});
}

TEST_F(Layout, SameImageSameBytes) {
  write("one");
  const std::string index = read_file(target() / "index.json");
  write("one");
  EXPECT_EQ(read_file(target() / "index.json"), index);
  EXPECT_THAT(index, HasSubstr(R"("platform":{"architecture":"amd64","os":"linux"})"));
  EXPECT_THAT(index, HasSubstr(R"("annotations":{"org.opencontainers.image.ref.name":"latest"})"));
}

TEST_F(Layout, FailureKeepsTheOldLayout) {
  write("one");
  EXPECT_NE(error_of([&] {
              LayoutWriter writer(target());
              writer.write_blob(kConfigType, "{}");
              writer.write_layer([](const Sink&) { throw Error("no"); });
            }),
            "");
  EXPECT_EQ(read_content(), "one");
  EXPECT_EQ(siblings(), std::vector<std::string>{"image"});
}

TEST_F(Layout, BlobsAreVerifiedWhileTheyAreCopied) {
  const fs::path path = directory_.path() / "blob";
  write_file(path, "content", Durable::no);
  const FileRange blob{std::make_shared<Fd>(open_for_reading(path)), 0, 7, path.native()};
  LayoutWriter writer(target());
  Descriptor expected;
  expected.media_type = "application/vnd.docker.image.rootfs.diff.tar.gzip";
  expected.digest = sha256(std::string_view("content"));
  expected.size = 7;
  const Descriptor written = writer.copy_blob(blob, expected);
  EXPECT_EQ(written.media_type, kLayerGzipType);
  expected.digest = sha256(std::string_view("other"));
  EXPECT_THAT(error_of([&] { writer.copy_blob(blob, expected); }),
              HasSubstr("expected 7 bytes " + expected.digest.string()));
}

TEST_F(Layout, IncompleteLayoutsAreReplaced) {
  for (const char* name : {"oci-layout", "index.json", "blobs"}) {
    write("first");
    fs::remove_all(target() / name);
    write("second");
    EXPECT_EQ(read_content(), "second") << name;
  }
  fs::remove(target() / "oci-layout");
  write_file(target() / "notes", "of the user");
  EXPECT_THAT(error_of([&] { LayoutWriter writer(target()); }), HasSubstr("is not an OCI image layout"));
}

TEST_F(Layout, OtherDirectoriesAreNotReplaced) {
  fs::create_directory(target());
  write("one");  // empty is fine
  fs::remove_all(target());
  fs::create_directory(target());
  write_file(target() / "precious", "x", Durable::no);
  EXPECT_THAT(error_of([&] { LayoutWriter writer(target()); }), HasSubstr("is not an OCI image layout"));
  EXPECT_TRUE(fs::exists(target() / "precious"));
}

TEST_F(Layout, LeftoversOfKilledProcessesAreRemoved) {
  const pid_t child = ::fork();
  if (child == 0) {
    LayoutWriter writer(target());
    writer.write_blob(kConfigType, "{}");
    ::_exit(0);  // as a kill would end it: no destructor runs
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(siblings().size(), 1u);
  EXPECT_NE(siblings()[0], "image");
  write("one");
  EXPECT_EQ(siblings(), std::vector<std::string>{"image"});
}

}  // namespace
}  // namespace bottle::oci
