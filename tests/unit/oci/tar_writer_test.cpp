// SPDX-License-Identifier: Apache-2.0
#include "oci/tar_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/tar_format.hpp"
#include "testing.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::string field(const std::string& header, std::size_t block, tar::Field where) {
  return header.substr(block * tar::kBlock + where.offset, where.size);
}

std::string name_of(const std::string& header, std::size_t block = 0) {
  return std::string(field(header, block, tar::kName).c_str());
}

TEST(TarWriter, PackHeadersAreExact) {
  Entry entry = file("bin/sh", "hello", 04755);
  entry.uid = 1000;
  entry.gid = 07777777;
  entry.mtime = 1577836800;
  const std::string header = tar_header(entry, TarStyle::pack);
  ASSERT_EQ(header.size(), 512u);
  EXPECT_EQ(name_of(header), "./bin/sh");
  EXPECT_EQ(field(header, 0, tar::kMode), std::string("0004755\0", 8));
  EXPECT_EQ(field(header, 0, tar::kUid), std::string("0001750\0", 8));
  EXPECT_EQ(field(header, 0, tar::kGid), std::string("7777777\0", 8));
  EXPECT_EQ(field(header, 0, tar::kSize), std::string("00000000005\0", 12));
  EXPECT_EQ(field(header, 0, tar::kMtime), std::string("13602760400\0", 12));
  EXPECT_EQ(field(header, 0, tar::kMagic), std::string("ustar  \0", 8));
  EXPECT_EQ(header[156], '0');
  unsigned sum = 8 * ' ';
  for (std::size_t i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? 0 : static_cast<unsigned char>(header[i]);
  EXPECT_EQ(std::stoul(field(header, 0, tar::kChecksum), nullptr, 8), sum);
  EXPECT_EQ(field(header, 0, tar::kChecksum).substr(6), std::string("\0 ", 2));
}

TEST(TarWriter, NamesFollowTheStyle) {
  EXPECT_EQ(name_of(tar_header(directory(""), TarStyle::pack)), "./");
  EXPECT_EQ(name_of(tar_header(directory(""), TarStyle::layer)), "./");
  EXPECT_EQ(name_of(tar_header(directory("a/b"), TarStyle::pack)), "./a/b/");
  EXPECT_EQ(name_of(tar_header(directory("a/b"), TarStyle::layer)), "a/b/");
  EXPECT_EQ(name_of(tar_header(whiteout("a/b"), TarStyle::layer)), "a/.wh.b");
  EXPECT_EQ(name_of(tar_header(whiteout("b"), TarStyle::layer)), ".wh.b");
  EXPECT_EQ(name_of(tar_header(opaque("a"), TarStyle::layer)), "a/.wh..wh..opq");
  EXPECT_EQ(name_of(tar_header(opaque(""), TarStyle::layer)), ".wh..wh..opq");
  const std::string link = tar_header(hardlink("b", "a"), TarStyle::pack);
  EXPECT_STREQ(field(link, 0, tar::kLink).c_str(), "./a");
  EXPECT_EQ(link[156], '1');
  EXPECT_STREQ(field(tar_header(symlink("b", "../a"), TarStyle::pack), 0, tar::kLink).c_str(), "../a");
}

TEST(TarWriter, HeaderSizesAreComputed) {
  for (const TarStyle style : {TarStyle::pack, TarStyle::layer}) {
    for (std::size_t length = 90; length < 110; ++length) {
      const std::string name(length, 'n');
      for (const Entry& entry :
           {file(name, "1"), directory(name), symlink("l", name), hardlink("h", name), symlink(name, name)})
        EXPECT_EQ(tar_header_size(entry, style), tar_header(entry, style).size()) << length;
    }
    const std::string path = std::string(250, 'a') + "/" + std::string(250, 'b') + "/" + std::string(10, 'c');
    EXPECT_EQ(tar_header_size(file(path, "1"), style), tar_header(file(path, "1"), style).size());
    EXPECT_EQ(tar_header_size(directory(""), style), tar_header(directory(""), style).size());
  }
}

TEST(TarWriter, UnsupportedEntriesAreErrors) {
  EXPECT_THAT(error_of([] { tar_header(whiteout("a"), TarStyle::pack); }), HasSubstr("whiteout"));
  EXPECT_THAT(error_of([] { tar_header(opaque("a"), TarStyle::pack); }), HasSubstr("whiteout"));
  EXPECT_THAT(error_of([] { tar_header(file("d/.wh.a", "x"), TarStyle::layer); }), HasSubstr(".wh."));
  EXPECT_THAT(error_of([] { tar_header(whiteout(".wh..opq"), TarStyle::layer); }), HasSubstr(".wh."));
  EXPECT_EQ(name_of(tar_header(file("d/.wh.a", "x"), TarStyle::pack)), "./d/.wh.a");
}

TEST(TarWriter, LongNamesAndNumbersInPacksAreGnu) {
  Entry entry = symlink(std::string(98, 'p'), std::string(100, 't'));
  entry.uid = 0xffffffff;
  entry.mtime = -1;
  const std::string header = tar_header(entry, TarStyle::pack);
  ASSERT_EQ(header.size(), 5 * 512u);
  EXPECT_EQ(header[156], 'K');
  EXPECT_EQ(name_of(header), "././@LongLink");
  EXPECT_EQ(header.substr(512, 101), std::string(100, 't') + '\0');
  EXPECT_EQ(header[2 * 512 + 156], 'L');
  EXPECT_EQ(header.substr(3 * 512, 101), "./" + entry.path + '\0');
  EXPECT_EQ(field(header, 4, tar::kUid), std::string("\x80\0\0\0\xff\xff\xff\xff", 8));
  EXPECT_EQ(field(header, 4, tar::kMtime), std::string(12, '\xff'));
  // 97 bytes and "./" fit.
  EXPECT_EQ(tar_header(file(std::string(97, 'p'), ""), TarStyle::pack).size(), 512u);
}

TEST(TarWriter, LayersUsePaxOnlyWhereNeeded) {
  EXPECT_EQ(tar_header(file(std::string(100, 'p'), ""), TarStyle::layer).size(), 512u);
  Entry entry = file("f", "");
  entry.xattrs = {{"security.capability", std::string("\1\0\n", 3)}, {"user.a", "b"}};
  const std::string header = tar_header(entry, TarStyle::layer);
  ASSERT_EQ(header.size(), 3 * 512u);
  EXPECT_EQ(header[156], 'x');
  EXPECT_EQ(std::string(header.substr(512).c_str()), std::string("40 SCHILY.xattr.security.capability=\1"));
  EXPECT_THAT(header.substr(512), HasSubstr("\n25 SCHILY.xattr.user.a=b\n"));
  EXPECT_EQ(tar_header(entry, TarStyle::pack).size(), 512u);
}

// A record's length counts its own digits: 9 + 1, 99 + 1 and 999 + 1 are where it may go wrong.
TEST(TarWriter, PaxRecordLengthsAreRightAtEveryBorder) {
  for (std::size_t size = 1; size < 1100; ++size) {
    Entry entry = file("f", "");
    entry.xattrs = {{"user.a", std::string(size, 'v')}};
    const ImportedLayer layer = import_tar(tar_of({entry}));
    ASSERT_EQ(layer.index.entries.size(), 1u) << size;
    EXPECT_EQ(layer.index.entries[0].xattrs, entry.xattrs) << size;
  }
}

TEST(TarWriter, PaddingAndEndAreWritten) {
  EXPECT_EQ(tar_padding(0).size(), 0u);
  EXPECT_EQ(tar_padding(1).size(), 511u);
  EXPECT_EQ(tar_padding(512).size(), 0u);
  EXPECT_EQ(tar_padding((std::uint64_t{1} << 40) + 513).size(), 511u);
  EXPECT_EQ(tar_end(), std::string(1024, '\0'));
}

}  // namespace
}  // namespace bottle::oci
