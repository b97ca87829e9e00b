// SPDX-License-Identifier: Apache-2.0
#include "oci/content.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing.hpp"
#include "util/file.hpp"
#include "util/parallel.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class Content : public ::testing::Test {
 protected:
  Content() {
    fs::create_directory(root() / "d");
    write_file(root() / "d/f", "hello", Durable::no);
    write_file(blob_, "....hello....", Durable::no);
  }

  fs::path root() const { return directory_.path() / "context"; }

  ContentReader reader() const {
    return ContentReader({{"context", root()}}, [this](const Digest&) { return blob_; });
  }

  Entry in_context(const std::string& path) const {
    Entry entry = file("image/path", "hello");
    entry.place = {.root = 0, .offset = 0, .path = path};
    return entry;
  }
  Entry in_blob(std::uint64_t offset) const {
    Entry entry = file("image/path", "hello");
    entry.place = {.root = 1, .offset = offset, .path = {}};
    return entry;
  }

  std::string read(const Entry& entry) const {
    std::string text(static_cast<std::size_t>(entry.size), '\0');
    reader().read_verified(entry, roots_, std::as_writable_bytes(std::span(text)));
    std::string in_parts;
    reader().read_verified(entry, roots_, append_to(in_parts));
    EXPECT_EQ(in_parts, text);
    return text;
  }
  // Both ways of reading refuse; the message of the first.
  std::string refused(const Entry& entry) const {
    std::string ignored;
    EXPECT_NE(error_of([&] { reader().read_verified(entry, roots_, append_to(ignored)); }), "");
    return error_of([&] { read(entry); });
  }

  TemporaryDirectory directory_;
  bool made_ = fs::create_directory(root());
  fs::path blob_ = directory_.path() / "blob";
  std::vector<std::string> roots_ = {"context", "blob:" + sha256(std::string_view("x")).string(),
                                     "context:other", "blob:nonsense"};
};

TEST_F(Content, ReadsFilesAndBlobs) {
  EXPECT_EQ(read(in_context("d/f")), "hello");
  EXPECT_EQ(read(in_blob(4)), "hello");
  EXPECT_EQ(read(file("empty", "")), "");
}

TEST_F(Content, ChangedFilesAreRefused) {
  write_file(root() / "d/f", "HELLO", Durable::no);
  EXPECT_THAT(refused(in_context("d/f")), HasSubstr("context/d/f: the file changed while the build used it"));
  write_file(root() / "d/f", "hello, world", Durable::no);
  EXPECT_THAT(refused(in_context("d/f")), HasSubstr("it had 5 bytes, now it has 12"));
  write_file(root() / "d/f", "hell", Durable::no);
  EXPECT_THAT(refused(in_context("d/f")), HasSubstr("now it has 4"));
  fs::remove(root() / "d/f");
  EXPECT_THAT(refused(in_context("d/f")), HasSubstr("No such file"));
  fs::create_directory(root() / "d/f");
  EXPECT_THAT(refused(in_context("d/f")), HasSubstr("no longer a regular file"));
}

TEST_F(Content, FifoInPlaceOfAFileDoesNotBlock) {
  fs::remove(root() / "d/f");
  ASSERT_EQ(::mkfifo((root() / "d/f").c_str(), 0600), 0);
  EXPECT_THAT(refused(in_context("d/f")), HasSubstr("no longer a regular file"));
}

TEST_F(Content, FilesOutsideTheRootAreNotRead) {
  write_file(directory_.path() / "secret", "hello", Durable::no);
  fs::create_symlink("../secret", root() / "link");
  fs::create_directory_symlink("..", root() / "up");
  EXPECT_NE(refused(in_context("link")), "");
  EXPECT_NE(refused(in_context("up/secret")), "");
  EXPECT_NE(refused(in_context("../secret")), "");
  EXPECT_NE(refused(in_context((directory_.path() / "secret").native())), "");
}

TEST_F(Content, DamagedBlobsAreRefused) {
  EXPECT_THAT(refused(in_blob(5)), HasSubstr("damaged at offset 5"));
  EXPECT_THAT(refused(in_blob(9)), HasSubstr("too short"));
  EXPECT_THAT(refused(in_blob(UINT64_MAX)), HasSubstr("too short"));
}

TEST_F(Content, UnknownRootsAreErrors) {
  Entry entry = in_context("d/f");
  entry.place.root = 2;
  EXPECT_THAT(refused(entry), HasSubstr("context:other"));
  entry.place.root = 3;
  EXPECT_THAT(refused(entry), HasSubstr("is not the name of a blob"));
  entry.place.root = 4;
  EXPECT_THAT(refused(entry), HasSubstr("its root is not in the table"));
}

TEST_F(Content, ManyThreadsShareAReader) {
  const ContentReader shared = reader();
  const Entry entries[] = {in_context("d/f"), in_blob(4)};
  parallel_for(200, 4, [&](std::size_t i) {
    std::array<std::byte, 5> data;
    shared.read_verified(entries[i % 2], roots_, data);
    EXPECT_EQ(text(data), "hello");
  });
}

TEST_F(Content, OpenReturnsTheOffsetOfTheContent) {
  const ContentReader::Opened blob = reader().open(in_blob(4), roots_);
  EXPECT_EQ(blob.offset, 4u);
  EXPECT_TRUE(blob.is_blob);
  EXPECT_FALSE(reader().open(in_context("d/f"), roots_).is_blob);
}

}  // namespace
}  // namespace bottle::oci
