// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_tar.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

std::vector<std::pair<TarItem, std::string>> read_all(const std::string& bytes) {
  PackTar tar(oci::memory_source(std::as_bytes(std::span(bytes))), "t");
  std::vector<std::pair<TarItem, std::string>> items;
  while (const auto item = tar.next()) {
    if (item->size > 1u << 20) continue;  // next() skips it
    std::string content(static_cast<std::size_t>(item->size), '?');
    EXPECT_EQ(tar.read(std::as_writable_bytes(std::span(content))), content.size());
    items.emplace_back(*item, content);
  }
  return items;
}

std::string error_of(const std::string& bytes) {
  try {
    read_all(bytes);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string with_checksum(std::string header) {
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header)
    sum += static_cast<unsigned char>(c);
  return header.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
}

TEST(PackTar, ReadsAllTypes) {
  const auto items = read_all(test::RawTar()
                                  .add({.name = "./", .type = '5', .mode = 0755})
                                  .add({.name = "./f", .content = "hello", .uid = 7, .gid = 8})
                                  .add({.name = "./l", .type = '2', .link = "f"})
                                  .add({.name = "./h", .type = '1', .link = "./f"})
                                  .add({.name = "./c", .type = '3', .major = 1, .minor = 3})
                                  .add({.name = "./p", .type = '6'})
                                  .add({.name = "./s", .type = '9'})
                                  .finish());
  ASSERT_EQ(items.size(), 7u);
  EXPECT_EQ(items[1].second, "hello");
  EXPECT_EQ(items[1].first.uid, 7u);
  EXPECT_EQ(items[1].first.gid, 8u);
  EXPECT_EQ(items[1].first.mtime, 1700000000);
  EXPECT_EQ(items[4].first.device_minor, 3u);
  EXPECT_EQ(items[5].first.type, TarType::fifo);
  EXPECT_EQ(items[6].first.type, TarType::other);
}

TEST(PackTar, ReadsGnuAndPaxLongNames) {
  const std::string name(300, 'n');
  const std::string record = "path=" + name + "\n";
  const auto items =
      read_all(test::RawTar()
                   .add({.name = "././@LongLink", .type = 'L', .content = name + std::string(1, '\0')})
                   .add({.name = "cut"})
                   .add({.name = "x", .type = 'x', .content = "310 " + record})
                   .add({.name = "cut"})
                   .add({.name = "plain"})
                   .finish());
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0].first.name, name);
  EXPECT_EQ(items[1].first.name, name);
  EXPECT_EQ(items[2].first.name, "plain");
}

TEST(PackTar, SparseMembersHaveHoles) {
  // 4 bytes at 1000 and 3 at 5000, in a file of 6000.
  std::string header = test::raw_header({.name = "s", .type = 'S'}, 7);
  const auto number = [&](std::size_t at, std::uint64_t value) {
    header.replace(at, 12, fmt::format("{:011o}", value) + std::string(1, '\0'));
  };
  number(386, 1000);
  number(398, 4);
  number(410, 5000);
  number(422, 3);
  number(483, 6000);
  const std::string data = "abcdefg" + std::string(505, '\0');
  const std::string end(1024, '\0');
  const auto items = read_all(with_checksum(header) + data + test::RawTar().add({.name = "next"}).finish());
  ASSERT_EQ(items.size(), 2u);
  std::string expected(6000, '\0');
  expected.replace(1000, 4, "abcd").replace(5000, 3, "efg");
  EXPECT_EQ(items[0].second, expected);

  number(410, 1002);  // overlaps
  EXPECT_NE(error_of(with_checksum(header) + data + end), "");
  number(410, 5000);
  number(422, 4);  // more than is stored
  EXPECT_NE(error_of(with_checksum(header) + data + end), "");
  number(422, 3);
  number(483, 5001);  // beyond the size
  EXPECT_NE(error_of(with_checksum(header) + data + end), "");
}

TEST(PackTar, InvalidTarsAreErrors) {
  const std::string one = test::RawTar().add({.name = "f", .content = "hello"}).unfinished();
  const std::string zeros(512, '\0');
  EXPECT_EQ(error_of(one + zeros + zeros), "");
  EXPECT_EQ(error_of(one + zeros + zeros + std::string(9000, '\0')), "");
  EXPECT_NE(error_of(""), "");
  EXPECT_NE(error_of(one), "");
  EXPECT_NE(error_of(one + zeros), "");
  EXPECT_NE(error_of(one + zeros + one), "");
  EXPECT_NE(error_of(one + zeros + zeros + "x"), "");
  EXPECT_NE(error_of(one + zeros + zeros + std::string(3 << 20, '\0')), "");
  EXPECT_NE(error_of(one.substr(0, 700)), "");
  EXPECT_NE(error_of(one.substr(0, 100)), "");
  std::string broken = one + zeros + zeros;
  broken[5] = 'x';
  EXPECT_NE(error_of(broken), "");
  EXPECT_NE(error_of(test::raw_header({.name = "big"}, (1ull << 33) - 1) + zeros + zeros), "");
  EXPECT_NE(error_of(test::RawTar().add({.name = "l", .type = 'L', .content = "x"}).finish()), "");
  EXPECT_NE(error_of(test::RawTar().add({.name = "l", .type = '2'}).finish()), "");
  EXPECT_NE(error_of(test::RawTar().add({.name = "d", .type = '5', .content = "x"}).finish()), "");
  EXPECT_NE(error_of(test::RawTar().add({.name = ""}).finish()), "");
  for (const char* record :
       {"8 path=a\n", "x path=a\n", "99 path=a\n", "0 path=a\n", "10 path=a", "6 path", "11 size=-1\n"})
    EXPECT_NE(
        error_of(
            test::RawTar().add({.name = "x", .type = 'x', .content = record}).add({.name = "f"}).finish()),
        "")
        << record;
  // Sizes that do not fit anywhere.
  std::string huge = test::raw_header({.name = "huge"}, 0);
  huge.replace(124, 12, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
  EXPECT_NE(error_of(with_checksum(huge) + zeros + zeros), "");
  huge.replace(124, 12, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
  EXPECT_NE(error_of(with_checksum(huge) + zeros + zeros), "");
}

TEST(PackTar, NamesAreRelativeAndPlain) {
  const auto path_error = [](const std::string& name) {
    const std::string bytes = test::RawTar().add({.name = name}).finish();
    PackTar tar(oci::memory_source(std::as_bytes(std::span(bytes))), "t");
    const auto item = tar.next();
    try {
      return member_path(tar, *item);
    } catch (const Error&) {
      return std::string("(error)");
    }
  };
  EXPECT_EQ(path_error("./a//b/./c"), "a/b/c");
  EXPECT_EQ(path_error("."), "");
  EXPECT_EQ(path_error("/etc/x"), "(error)");
  EXPECT_EQ(path_error("../x"), "(error)");
  EXPECT_EQ(path_error("a/../b"), "(error)");
  EXPECT_EQ(path_error("..."), "...");
}

}  // namespace
}  // namespace bottle::pack
