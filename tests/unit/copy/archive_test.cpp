// SPDX-License-Identifier: Apache-2.0
#include "copy/archive.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "oci/tar_writer.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace bottle::copy {
namespace {

using testing::HasSubstr;

std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string tar;
  for (const auto& [name, content] : files) {
    oci::Entry entry;
    entry.path = name;
    entry.mode = 0640;
    entry.mtime = 5;
    entry.size = content.size();
    if (name.substr(0, 4) == ".wh.") {
      entry.type = oci::EntryType::whiteout;
      entry.path = name.substr(4);
    }
    tar += oci::tar_header(entry, oci::TarStyle::layer) + content;
    tar += oci::tar_padding(content.size());
  }
  return tar + std::string(oci::tar_end());
}

std::string gzip(const std::string& data) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(compressBound(data.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class Archive : public testing::Test {
 protected:
  Archive()
      : store_(store::Store::open(directory_.path() / "store")),
        reader_({{"context", directory_.path()}},
                [this](const Digest& digest) { return store_.blob_path(digest); }) {}

  std::optional<oci::LayerIndex> open(const std::string& content, const ArchiveLimits& limits = {}) {
    write_file(directory_.path() / "file", content, Durable::no);
    return open_as(content, limits);
  }
  std::optional<oci::LayerIndex> open_as(const std::string& content, const ArchiveLimits& limits = {}) {
    oci::Entry entry;
    entry.path = "file";
    entry.size = content.size();
    entry.digest = sha256(content);
    entry.place = {0, 0, "file"};
    return make_archive_opener(store_, reader_, limits)(entry, {"context"});
  }
  std::string read(const oci::LayerIndex& index, std::size_t number) const {
    std::string text(index.entries.at(number).size, '\0');
    reader_.read_verified(index.entries[number], index.roots, std::as_writable_bytes(std::span(text)));
    return text;
  }
  template <class Body>
  static std::string failure(const Body& body) {
    try {
      body();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  TemporaryDirectory directory_;
  store::Store store_;
  oci::ContentReader reader_;
};

TEST_F(Archive, IsRecognizedByItsContent) {
  const std::string tar = tar_of({{"a", "hello"}, {"d/empty", ""}, {".wh.x", ""}});
  for (const std::string& content : {tar, gzip(tar)}) {
    const auto index = open(content);
    ASSERT_TRUE(index);
    ASSERT_EQ(index->entries.size(), 3u);
    EXPECT_EQ(index->entries[0].path, "a");
    EXPECT_EQ(index->entries[0].mode, 0640);
    EXPECT_EQ(index->entries[0].digest, sha256("hello"));
    EXPECT_EQ(read(*index, 0), "hello");
    EXPECT_EQ(index->entries[1].digest, sha256(""));
    EXPECT_EQ(index->entries[2].path, ".wh.x");
    EXPECT_EQ(index->entries[2].type, oci::EntryType::file);
    EXPECT_EQ(index->roots, std::vector<std::string>{"blob:" + sha256(tar).string()});
  }
}

TEST_F(Archive, OtherFilesAreNotArchives) {
  for (const std::string& content :
       {std::string(), std::string("text"), std::string(2048, '\0'), std::string(2048, 'x'), gzip("text"),
        std::string("\x1f\x8b\x08 broken"), tar_of({{"a", "b"}}).substr(0, 300)}) {
    EXPECT_FALSE(open(content)) << content.size();
  }
}

TEST_F(Archive, IsReadOnce) {
  const std::string content = gzip(tar_of({{"a", "hello"}}));
  const auto first = open(content);
  fs::remove(directory_.path() / "file");
  const auto second = open_as(content);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->serialize(), second->serialize());
  EXPECT_EQ(read(*second, 0), "hello");
}

TEST_F(Archive, DamageAfterTheFirstMemberIsAnError) {
  const std::string tar = tar_of({{"a", std::string(3000, 'a')}, {"b", "b"}});
  EXPECT_THAT(failure([&] { open(tar.substr(0, 2000)); }), HasSubstr("offset"));
  const std::string packed = gzip(tar_of({{"a", "a"}, {"b", std::string(1 << 20, 'b')}}));
  EXPECT_NE(failure([&] { open(packed.substr(0, packed.size() - 20)); }), "no error");
}

TEST_F(Archive, ChangeAfterTheScanIsAnError) {
  const std::string tar = tar_of({{"a", "one"}});
  write_file(directory_.path() / "file", tar_of({{"a", "two"}}), Durable::no);
  EXPECT_NE(failure([&] { open_as(tar); }), "no error");
  EXPECT_TRUE(open(tar));  // nothing wrong was kept
}

TEST_F(Archive, HasLimits) {
  const std::string bomb = gzip(tar_of({{"a", "a"}, {"zeros", std::string(4 << 20, '\0')}}));
  ArchiveLimits limits;
  limits.ratio = 10;
  limits.ratio_from = 1 << 20;
  EXPECT_NE(failure([&] { open(bomb, limits); }), "no error");
  EXPECT_TRUE(open(bomb));
  limits = {};
  limits.members = 1;
  EXPECT_THAT(failure([&] {
                open(tar_of({{"a", "1"}, {"b", "2"}}), limits);
              }),
              HasSubstr("more than 1 members"));
}

// By the tar of this machine, in each of its formats; the sparse file is the first member.
TEST_F(Archive, SparseMembersAreUnpacked) {
  std::string content(3 << 20, '\0');
  content.replace(1 << 20, 5, "hello");
  const fs::path source = directory_.path() / "source";
  fs::create_directory(source);
  {
    const Fd file(::open((source / "disk").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    ASSERT_EQ(::pwrite(file.get(), "hello", 5, 1 << 20), 5);
    ASSERT_EQ(::ftruncate(file.get(), 3 << 20), 0);
  }
  write_file(source / "plain", "plain", Durable::no);
  for (const char* format : {"--format=gnu", "--format=posix --sparse-version=0.0",
                             "--format=posix --sparse-version=0.1", "--format=posix --sparse-version=1.0"}) {
    const fs::path tar = directory_.path() / "made.tar";
    const std::string command = "tar --sparse " + std::string(format) + " -C " + source.native() + " -cf " +
                                tar.native() + " disk plain";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
    const std::string archive = read_file(tar);
    EXPECT_LT(archive.size(), 1u << 20) << "it is not sparse";
    const auto index = open(archive);
    ASSERT_TRUE(index) << format;
    ASSERT_EQ(index->entries.size(), 2u) << format;
    EXPECT_EQ(index->entries[0].path, "disk");
    EXPECT_EQ(index->entries[0].size, content.size()) << format;
    EXPECT_EQ(index->entries[0].digest, sha256(content)) << format;
    EXPECT_EQ(read(*index, 0), content) << format;
    EXPECT_EQ(read(*index, 1), "plain") << format;
    struct stat status {};
    ASSERT_EQ(::stat(store_.blob_path(sha256(content)).c_str(), &status), 0);
    EXPECT_LT(status.st_blocks * 512, 1 << 20) << "the holes are none";
  }
}

TEST_F(Archive, HostileNamesStayInside) {
  std::string tar = tar_of({{"aa/aa/aa/etc", "x"}});
  tar.replace(0, 9, "../../../");
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? 32u : static_cast<unsigned char>(tar[i]);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  tar.replace(148, 7, std::string(text, 7));
  const auto index = open(tar);
  ASSERT_TRUE(index);
  EXPECT_EQ(index->entries[0].path, "etc");
}

}  // namespace
}  // namespace bottle::copy
