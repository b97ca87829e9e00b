// SPDX-License-Identifier: Apache-2.0
// Sparse members as GNU tar writes them. The same archives, made by tar itself, are unpacked beside Docker in
// tests/integration/compare_files.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/tar_reader.hpp"
#include "oci/tar_writer.hpp"
#include "testing.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

const std::string kGnuMagic("ustar  \0", 8);
using Records = std::vector<std::pair<std::string, std::string>>;
using Extents = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

// Puts text into a block and makes its checksum right again.
void set(std::string& block, std::size_t offset, std::string_view text) {
  block.replace(offset, text.size(), text);
}

std::string with_checksum(std::string block) {
  block.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i)
    sum += static_cast<unsigned char>(block[i]);
  const std::string digits = octal(sum);
  block.replace(148, 6, digits.substr(digits.size() - 6));
  block[154] = '\0';
  return block;
}

// The old GNU format: four extents in the header, 21 in each block behind it.
std::string old_gnu(const Extents& extents, std::uint64_t size, const std::string& data) {
  std::string header = raw_header({.name = "s", .type = 'S', .size = octal(data.size()), .magic = kGnuMagic});
  set(header, 483, octal(size));
  std::string more;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    const std::string text = octal(extents[i].first) + '\0' + octal(extents[i].second) + '\0';
    if (i < 4) {
      set(header, 386 + 24 * i, text);
      continue;
    }
    if ((i - 4) % 21 == 0) {
      if (more.empty())
        header[482] = 1;
      else
        more[more.size() - 512 + 504] = 1;
      more.append(512, '\0');
    }
    set(more, more.size() - 512 + 24 * ((i - 4) % 21), text);
  }
  return with_checksum(header) + more + padded(data);
}

std::string pax_member(const Records& records, const std::string& data) {
  return pax(records) + raw_header({.name = "GNUSparseFile.1/s", .size = octal(data.size())}) + padded(data);
}

std::string pax_0_0(const Extents& extents, std::uint64_t size, const std::string& data) {
  Records records{{"GNU.sparse.size", std::to_string(size)},
                  {"GNU.sparse.numblocks", std::to_string(extents.size())}};
  for (const auto& [offset, count] : extents) {
    records.emplace_back("GNU.sparse.offset", std::to_string(offset));
    records.emplace_back("GNU.sparse.numbytes", std::to_string(count));
  }
  records.emplace_back("GNU.sparse.name", "s");
  return pax_member(records, data);
}

std::string pax_0_1(const Extents& extents, std::uint64_t size, const std::string& data) {
  std::string map;
  for (const auto& [offset, count] : extents)
    map += (map.empty() ? "" : ",") + std::to_string(offset) + "," + std::to_string(count);
  return pax_member({{"GNU.sparse.name", "s"},
                     {"GNU.sparse.size", std::to_string(size)},
                     {"GNU.sparse.numblocks", std::to_string(extents.size())},
                     {"GNU.sparse.map", map}},
                    data);
}

std::string pax_1_0(const Extents& extents, std::uint64_t size, const std::string& data) {
  std::string map = std::to_string(extents.size()) + "\n";
  for (const auto& [offset, count] : extents)
    map += std::to_string(offset) + "\n" + std::to_string(count) + "\n";
  return pax_member({{"GNU.sparse.major", "1"},
                     {"GNU.sparse.minor", "0"},
                     {"GNU.sparse.name", "s"},
                     {"GNU.sparse.realsize", std::to_string(size)}},
                    padded(map) + data);
}

using Format = std::string (*)(const Extents&, std::uint64_t, const std::string&);
constexpr std::pair<const char*, Format> kFormats[] = {
    {"old GNU", old_gnu}, {"PAX 0.0", pax_0_0}, {"PAX 0.1", pax_0_1}, {"PAX 1.0", pax_1_0}};

// The content of the first member; a plain member must follow it.
std::string content(const std::string& member) {
  const std::string tar =
      member + raw_header({.name = "after", .size = octal(1)}) + padded("x") + std::string(tar_end());
  TarReader reader(memory_source(bytes(tar)), "x.tar", Whiteouts::interpret);
  auto first = reader.next();
  if (!first || !first->is_sparse || first->entry.path != "s") throw Error("not the sparse file");
  std::string data;
  reader.read_data(append_to(data));
  if (data.size() != first->entry.size) throw Error("the size is not that of the content");
  const auto after = reader.next();
  if (!after || after->entry.path != "after" || after->is_sparse) throw Error("the next member is not found");
  return data;
}

TEST(TarSparse, HolesAreZeros) {
  const std::string data = "abcdefgh";
  std::string expected(5000, '\0');
  expected.replace(1000, 3, "abc").replace(2000, 5, "defgh");
  for (const auto& [name, format] : kFormats) {
    EXPECT_EQ(content(format({{1000, 3}, {2000, 5}}, 5000, data)), expected) << name;
    EXPECT_EQ(content(format({{0, 8}}, 8, data)), data) << name << ", without a hole";
    EXPECT_EQ(content(format({{0, 8}, {20, 0}}, 20, data)), data + std::string(12, '\0')) << name;
    EXPECT_EQ(content(format({}, 700, "")), std::string(700, '\0')) << name << ", nothing but a hole";
    EXPECT_EQ(content(format({}, 0, "")), "") << name << ", empty";
  }
}

TEST(TarSparse, ManyExtentsAreRead) {
  Extents extents;
  std::string data;
  std::string expected;
  for (std::uint64_t i = 0; i < 60; ++i) {
    extents.emplace_back(10 * i, 1);
    data += static_cast<char>('a' + i % 26);
    expected += data.back() + std::string(9, '\0');
  }
  for (const auto& [name, format] : kFormats)
    EXPECT_EQ(content(format(extents, 600, data)), expected) << name;
}

TEST(TarSparse, MembersAreSkippedWithoutReadingThem) {
  for (const auto& [name, format] : kFormats) {
    const std::string tar = format({{1000, 600}}, std::uint64_t{10} << 30, std::string(600, 'x')) +
                            raw_header({.name = "after"}) + std::string(tar_end());
    TarReader reader(memory_source(bytes(tar)), "x.tar", Whiteouts::interpret);
    EXPECT_EQ(reader.next()->entry.size, std::uint64_t{10} << 30) << name;
    EXPECT_EQ(reader.next()->entry.path, "after") << name;
  }
}

std::string refusal(const std::string& member) {
  return error_of([&] { content(member); });
}

TEST(TarSparse, ImpossibleMapsAreErrors) {
  const std::string data = "abcdefgh";
  for (const auto& [name, format] : kFormats) {
    EXPECT_THAT(refusal(format({{2000, 5}, {1000, 3}}, 5000, data)), HasSubstr("not in order")) << name;
    EXPECT_THAT(refusal(format({{1000, 5}, {1004, 3}}, 5000, data)), HasSubstr("not in order")) << name;
    EXPECT_THAT(refusal(format({{4996, 8}}, 5000, data)), HasSubstr("beyond its end")) << name;
    EXPECT_THAT(refusal(format({{6000, 0}, {0, 8}}, 5000, data)), HasSubstr("beyond its end")) << name;
    EXPECT_THAT(refusal(format({{0, 7}}, 5000, data)), HasSubstr("not as long as its data")) << name;
    EXPECT_THAT(refusal(format({{0, 9}}, 5000, data)), HasSubstr("not as long as its data")) << name;
  }
}

TEST(TarSparse, InvalidRecordsAreErrors) {
  const Records whole{{"GNU.sparse.name", "s"}, {"GNU.sparse.size", "8"}, {"GNU.sparse.map", "0,8"}};
  EXPECT_EQ(refusal(pax_member(whole, "abcdefgh")), "");
  const auto with = [&](const char* key, const char* value) {
    Records records = whole;
    records.emplace_back(std::string("GNU.sparse.") + key, value);
    return refusal(pax_member(records, "abcdefgh"));
  };
  EXPECT_THAT(with("numblocks", "2"), HasSubstr("sparse"));
  EXPECT_THAT(with("major", "7"), HasSubstr("unknown format"));
  EXPECT_THAT(with("size", "-8"), HasSubstr("malformed"));
  EXPECT_THAT(with("size", "99999999999999999999"), HasSubstr("malformed"));
  EXPECT_THAT(with("map", "1,"), HasSubstr("malformed"));
  EXPECT_THAT(with("offset", "x"), HasSubstr("malformed"));
  EXPECT_THAT(with("map", "5"), HasSubstr("incomplete"));
  EXPECT_THAT(refusal(pax_member({{"GNU.sparse.map", "0,8"}}, "abcdefgh")), HasSubstr("incomplete"));
  const Records in_data{{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "8"}};
  EXPECT_THAT(refusal(pax_member(in_data, "x\n")), HasSubstr("sparse"));
  EXPECT_THAT(refusal(pax_member(in_data, padded("1\n0\nx\n"))), HasSubstr("malformed"));
  EXPECT_THAT(refusal(pax_member(in_data, padded("1000001\n"))), HasSubstr("too long"));
  EXPECT_THAT(refusal(pax_member(in_data, padded("5\n0\n1\n"))), HasSubstr("malformed"));
  EXPECT_THAT(refusal(pax_member(in_data, padded(std::string(40, '1')))), HasSubstr("malformed"));
  std::string cut = old_gnu(Extents(30, {0, 0}), 8, "");
  cut.resize(700);
  EXPECT_THAT(error_of([&] {
                TarReader reader(memory_source(bytes(cut)), "x.tar", Whiteouts::interpret);
                reader.next();
              }),
              HasSubstr("truncated within"));
}

}  // namespace
}  // namespace bottle::oci
