// SPDX-License-Identifier: Apache-2.0
#include "oci/tar_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/tar_format.hpp"
#include "oci/tar_writer.hpp"
#include "testing.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::vector<TarMember> members(std::string_view tar, Whiteouts whiteouts = Whiteouts::interpret) {
  TarReader reader(memory_source(bytes(tar)), "x.tar", whiteouts);
  std::vector<TarMember> all;
  while (auto member = reader.next())
    all.push_back(std::move(*member));
  return all;
}

TarMember only(const std::string& blocks) {
  const auto all = members(blocks + std::string(tar_end()));
  if (all.size() != 1) throw Error("expected one member, found " + std::to_string(all.size()));
  return all.front();
}

std::string failure(const std::string& tar) {
  return error_of([&] {
    TarReader reader(memory_source(bytes(tar)), "x.tar", Whiteouts::interpret);
    while (auto member = reader.next())
      if (member->entry.type == EntryType::file) reader.hash_data();
  });
}

std::string gnu_name(const std::string& name, char type = 'L') {
  return raw_header({.name = "././@LongLink", .type = type, .size = octal(name.size() + 1)}) +
         padded(name + '\0');
}

TEST(TarReader, OffsetsDataAndDigestsAreRead) {
  const std::string tar = raw_header({.name = "a", .size = octal(5)}) + padded("hello") +
                          pax({{"path", "long/name"}}) + raw_header({.name = "b", .size = octal(600)}) +
                          padded(std::string(600, 'x')) + std::string(tar_end());
  TarReader reader(memory_source(bytes(tar)), "x.tar", Whiteouts::interpret);
  auto member = reader.next();
  ASSERT_TRUE(member);
  EXPECT_EQ(member->data_offset, 512u);
  EXPECT_EQ(reader.hash_data(), sha256(std::string_view("hello")));
  member = reader.next();
  ASSERT_TRUE(member);
  EXPECT_EQ(member->header_offset, 1024u);
  EXPECT_EQ(member->data_offset, 1024 + 1024 + 512u);
  EXPECT_EQ(tar.substr(member->data_offset, 600), std::string(600, 'x'));
  std::string data;
  reader.read_data(append_to(data));
  EXPECT_EQ(data, std::string(600, 'x'));
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.had_end_marker());
  EXPECT_FALSE(reader.next());
}

// The same answers however small the pieces are that the source gives.
TEST(TarReader, SkippingAndSeekingSeeTheSameMembers) {
  std::string tar;
  for (const char* name : {"a", "b", "c"})
    tar += raw_header({.name = name, .size = octal(1u << 20)}) + std::string(1u << 20, *name);
  tar += tar_end();
  std::uint64_t position = 0;
  std::uint64_t bytes_read = 0;
  TarReader reader(
      [&](std::span<std::byte> data) {
        const std::string_view rest =
            std::string_view(tar).substr(std::min<std::size_t>(position, tar.size()));
        const std::size_t count = std::min(rest.size(), data.size());
        std::copy_n(bytes(rest).data(), count, data.data());
        position += count;
        bytes_read += count;
        return count;
      },
      "x.tar", Whiteouts::literal);
  reader.on_skip([&](std::uint64_t length) { position += length; });
  std::string names;
  while (const auto member = reader.next()) {
    names += member->raw_name;
    EXPECT_EQ(tar[member->data_offset], member->raw_name[0]);
  }
  EXPECT_EQ(names, "abc");
  EXPECT_LT(bytes_read, tar.size() / 2);
}

TEST(TarReader, NamesAreKeptInsideTheRoot) {
  const std::pair<const char*, const char*> cases[] = {{"/etc/passwd", "etc/passwd"},
                                                       {"../../x", "x"},
                                                       {"a/../../x", "x"},
                                                       {"./a//b", "a/b"},
                                                       {"a/b/", "a/b"}};
  for (const auto& [name, path] : cases) {
    const TarMember member = only(raw_header({.name = name}));
    EXPECT_EQ(member.entry.path, path);
    EXPECT_EQ(member.raw_name, name);
    EXPECT_FALSE(member.ignored);
  }
  for (const char* name : {"", ".", "..", "/", "a/.."})
    EXPECT_TRUE(only(raw_header({.name = name, .type = '2', .link = "/etc"})).ignored) << name;
  const TarMember root = only(raw_header({.name = "./", .type = '5', .mode = "0000700"}));
  EXPECT_FALSE(root.ignored);
  EXPECT_EQ(root.entry.path, "");
  EXPECT_EQ(root.entry.mode, 0700);
  EXPECT_EQ(only(raw_header({.name = "l", .type = '1', .link = "../../etc/passwd"})).entry.link,
            "etc/passwd");
  EXPECT_EQ(only(raw_header({.name = "l", .type = '2', .link = "../../etc/passwd"})).entry.link,
            "../../etc/passwd");
}

TEST(TarReader, AllTypesAreRead) {
  const std::pair<char, EntryType> cases[] = {
      {'0', EntryType::file},         {'\0', EntryType::file},     {'7', EntryType::file},
      {'1', EntryType::hardlink},     {'2', EntryType::symlink},   {'3', EntryType::char_device},
      {'4', EntryType::block_device}, {'5', EntryType::directory}, {'6', EntryType::fifo}};
  for (const auto& [letter, type] : cases)
    EXPECT_EQ(only(raw_header({.type = letter, .link = "x"})).entry.type, type) << letter;
  // Before ustar a directory was a file whose name ended in a slash.
  EXPECT_EQ(only(raw_header({.name = "d/", .type = '\0', .magic = ""})).entry.type, EntryType::directory);
  EXPECT_EQ(only(raw_header({.name = "d/", .type = '0'})).entry.type, EntryType::file);
  EXPECT_THAT(failure(raw_header({.type = 'Z'})), HasSubstr("unknown type"));
  EXPECT_THAT(failure(raw_header({.type = 'S'})), HasSubstr("sparse"));
  EXPECT_THAT(failure(pax({{"GNU.sparse.major", "1"}}) + raw_header({})), HasSubstr("sparse"));
}

TEST(TarReader, LinksAndDirectoriesHaveNoData) {
  const auto all = members(raw_header({.name = "d", .type = '5', .size = octal(512)}) +
                           raw_header({.name = "f"}) + std::string(tar_end()));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].entry.path, "f");
}

TEST(TarReader, UstarPrefixIsRead) {
  EXPECT_EQ(only(raw_header({.name = "b", .prefix = "a/long"})).entry.path, "a/long/b");
  // GNU keeps other things there.
  EXPECT_EQ(only(raw_header({.name = "b", .magic = std::string("ustar  \0", 8), .prefix = "13602761000"}))
                .entry.path,
            "b");
}

TEST(TarReader, GnuLongNamesAreRead) {
  const std::string name(300, 'n');
  const std::string path = name.substr(0, 200) + "/" + name;
  EXPECT_EQ(only(gnu_name("d/" + name.substr(0, 200)) + raw_header({})).entry.path,
            "d/" + name.substr(0, 200));
  EXPECT_EQ(only(gnu_name(std::string(500, 't'), 'K') + raw_header({.type = '2'})).entry.link,
            std::string(500, 't'));
  // GNU wins over PAX.
  EXPECT_EQ(only(gnu_name("gnu") + pax({{"path", "pax"}}) + raw_header({})).entry.path, "gnu");
  EXPECT_EQ(only(pax({{"path", "pax"}}) + gnu_name("gnu") + raw_header({})).entry.path, "gnu");
  // It is for the next member only.
  const auto all =
      members(gnu_name("gnu") + raw_header({}) + raw_header({.name = "next"}) + std::string(tar_end()));
  EXPECT_EQ(all[1].entry.path, "next");
}

TEST(TarReader, PaxRecordsAreRead) {
  const TarMember member = only(pax({{"path", "p/q"},
                                     {"size", "5"},
                                     {"uid", "4294967295"},
                                     {"gid", "70000"},
                                     {"mtime", "1234.999"},
                                     {"SCHILY.xattr.user.b", std::string("a\0=\n", 4)},
                                     {"SCHILY.xattr.user.a", ""},
                                     {"comment", "x"}}) +
                                raw_header({.size = octal(0)}) + padded("hello"));
  EXPECT_EQ(member.entry.path, "p/q");
  EXPECT_EQ(member.entry.size, 5u);
  EXPECT_EQ(member.entry.uid, 4294967295u);
  EXPECT_EQ(member.entry.gid, 70000u);
  EXPECT_EQ(member.entry.mtime, 1234);
  EXPECT_EQ(member.entry.xattrs, (Xattrs{{"user.a", ""}, {"user.b", std::string("a\0=\n", 4)}}));
  EXPECT_EQ(only(pax({{"mtime", "-1.5"}}) + raw_header({})).entry.mtime, -2);
  EXPECT_EQ(only(pax({{"mtime", "-2"}}) + raw_header({})).entry.mtime, -2);
  EXPECT_EQ(only(pax({{"path", ""}}) + raw_header({})).entry.path, "f");
}

TEST(TarReader, GlobalHeadersAreSkipped) {
  const auto all =
      members(pax({{"comment", "0123"}, {"path", "global"}}, 'g') + raw_header({}) + std::string(tar_end()));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].entry.path, "f");
}

TEST(TarReader, OctalAndBinaryNumbersAreRead) {
  EXPECT_EQ(only(raw_header({.uid = std::string("\x80\0\0\0\xff\xff\xff\xff", 8)})).entry.uid, 0xffffffffu);
  EXPECT_EQ(only(raw_header({.mtime = std::string(12, '\xff')})).entry.mtime, -1);
  EXPECT_EQ(only(raw_header({.uid = "   17 "})).entry.uid, 15u);
  EXPECT_EQ(only(raw_header({.uid = ""})).entry.uid, 0u);
  EXPECT_EQ(only(raw_header({.mode = "0100755"})).entry.mode, 0755);
  EXPECT_THAT(failure(raw_header({.uid = "00x"})), HasSubstr("the user is not a number"));
  EXPECT_THAT(failure(raw_header({.uid = "0000008"})), HasSubstr("the user is not a number"));
  EXPECT_THAT(failure(raw_header({.uid = std::string("\x80\0\0\1\0\0\0\0", 8)})), HasSubstr("out of range"));
  EXPECT_THAT(failure(raw_header({.uid = std::string(8, '\xff')})), HasSubstr("out of range"));
  EXPECT_THAT(failure(raw_header({.size = std::string("\x80\0\0\1\0\0\0\0\0\0\0\0", 12)})),
              HasSubstr("the size"));
  EXPECT_THAT(failure(raw_header({.size = std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)})),
              HasSubstr("the size is out of range"));
  EXPECT_THAT(failure(raw_header({.size = std::string(12, '\xff')})), HasSubstr("negative"));
  EXPECT_THAT(failure(pax({{"size", "9223372036854775807"}}) + raw_header({})),
              HasSubstr("size is out of range"));
  EXPECT_THAT(failure(pax({{"size", "18446744073709551616"}}) + raw_header({})),
              HasSubstr("not a number in range"));
  EXPECT_THAT(failure(pax({{"size", "-1"}}) + raw_header({})), HasSubstr("not a number in range"));
  EXPECT_THAT(failure(pax({{"uid", "4294967296"}}) + raw_header({})), HasSubstr("out of range"));
  EXPECT_THAT(failure(pax({{"mtime", "now"}}) + raw_header({})), HasSubstr("not a time"));
}

TEST(TarReader, HostileNamesAreErrors) {
  EXPECT_THAT(failure(pax({{"path", std::string("a\0b", 3)}}) + raw_header({})), HasSubstr("NUL"));
  EXPECT_THAT(failure(pax({{"linkpath", std::string("a\0b", 3)}}) + raw_header({.type = '2'})),
              HasSubstr("NUL"));
  EXPECT_THAT(failure(gnu_name(std::string(256, 'n')) + raw_header({})), HasSubstr("longer than 255"));
  std::string deep;
  while (deep.size() < 5000)
    deep += "a/";
  EXPECT_THAT(failure(gnu_name(deep) + raw_header({})), HasSubstr("longer than 4095"));
  EXPECT_THAT(failure(gnu_name(std::string(5000, 't'), 'K') + raw_header({.type = '2'})),
              HasSubstr("longer than 4095"));
  EXPECT_THAT(failure(raw_header({.type = '2'})), HasSubstr("no target"));
  EXPECT_THAT(failure(raw_header({.type = '1', .link = "../.."})), HasSubstr("no target"));
  for (const char* name : {".wh.", ".wh..", ".wh...", "d/.wh..", "d/.wh..."})
    EXPECT_THAT(failure(raw_header({.name = name})), HasSubstr("invalid whiteout name")) << name;
}

TEST(TarReader, HostileExtensionsAreErrors) {
  EXPECT_THAT(failure(raw_header({.type = 'x', .size = octal((1u << 20) + 1)})),
              HasSubstr("at most 1048576"));
  EXPECT_THAT(failure(raw_header({.type = 'L', .size = "77777777777"})), HasSubstr("at most 1048576"));
  EXPECT_THAT(failure(raw_header({.type = 'g', .size = "77777777777"})), HasSubstr("at most 1048576"));
  for (const char* records : {"5 a=b\n", "7 a=b\n", "6 a=bX", "6", "6 ", "0 a=b\n", "-6 a=b\n",
                              "99999999999999999999 a=b\n", "6 =bc\n", "5 abc\n", "3 \n", " 6 a=b\n"})
    EXPECT_THAT(failure(raw_header({.type = 'x', .size = octal(std::string(records).size())}) +
                        padded(records) + raw_header({})),
                HasSubstr("record"))
        << records;
  EXPECT_THAT(failure(pax({{"SCHILY.xattr.", "x"}}) + raw_header({})), HasSubstr("without a name"));
  EXPECT_THAT(failure(pax({{"a", "b"}}) + std::string(tar_end())), HasSubstr("the end marker follows"));
  EXPECT_THAT(failure(pax({{"a", "b"}})), HasSubstr("no header follows"));
}

TEST(TarReader, EveryTruncationIsFoundExceptBetweenMembers) {
  const std::string tar = raw_header({.name = "a", .size = octal(700)}) + padded(std::string(700, 'x')) +
                          gnu_name("b") + raw_header({}) + std::string(tar_end());
  for (std::size_t size = 0; size < tar.size() - 1024; ++size) {
    const std::string message = failure(tar.substr(0, size));
    const bool is_border =
        size == 0 || (size >= 512 + 700 && size <= 512 + 1024) || size == 512 + 1024 + 1024 + 512;
    EXPECT_EQ(message.empty(), is_border) << size << ": " << message;
    if (!message.empty()) {
      EXPECT_THAT(message, HasSubstr("x.tar: offset "));
    }
  }
}

TEST(TarReader, EndMarkersAreRead) {
  EXPECT_EQ(members(raw_header({}) + std::string(512, '\0')).size(), 1u);
  EXPECT_EQ(members(raw_header({}) + std::string(10240, '\0') + "trailing").size(), 1u);
  EXPECT_THAT(failure(std::string(512, '\0') + raw_header({})), HasSubstr("after a block of zeros"));
  const std::string unmarked = raw_header({});
  TarReader reader(memory_source(bytes(unmarked)), "x.tar", Whiteouts::literal);
  while (reader.next()) {
  }
  EXPECT_FALSE(reader.had_end_marker());
}

TEST(TarReader, ChecksumsAreVerified) {
  std::string header = raw_header({});
  header[0] = 'g';
  EXPECT_THAT(failure(header), HasSubstr("checksum"));
  EXPECT_THAT(failure(std::string(512, 'x')), HasSubstr("x.tar: offset 0: corrupt tar archive"));
  // Archivers with signed characters.
  std::string old = raw_header({.name = "\xff"});
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned>(static_cast<signed char>(old[i]));
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  old.replace(148, 7, digits, 7);
  EXPECT_EQ(only(old).entry.path, "\xff");
}

TEST(TarReader, WhiteoutsAreRead) {
  EXPECT_EQ(only(raw_header({.name = "d/.wh.x"})).entry.type, EntryType::whiteout);
  EXPECT_EQ(only(raw_header({.name = "d/.wh.x"})).entry.path, "d/x");
  EXPECT_EQ(only(raw_header({.name = "d/.wh..wh..opq"})).entry.type, EntryType::opaque);
  EXPECT_EQ(only(raw_header({.name = "d/.wh..wh..opq"})).entry.path, "d");
  EXPECT_EQ(only(raw_header({.name = ".wh..wh..opq"})).entry.path, "");
  EXPECT_FALSE(only(raw_header({.name = ".wh..wh..opq"})).ignored);
  // With data, which is skipped.
  EXPECT_EQ(only(raw_header({.name = ".wh.x", .size = octal(3)}) + padded("abc")).entry.size, 0u);
  const auto literal = members(raw_header({.name = ".wh.x"}), Whiteouts::literal);
  EXPECT_EQ(literal.at(0).entry.path, ".wh.x");
  EXPECT_EQ(literal.at(0).entry.type, EntryType::file);
}

}  // namespace
}  // namespace bottle::oci
