// SPDX-License-Identifier: Apache-2.0
#include "oci/layer_index.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "testing.hpp"

namespace bottle::oci {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

const std::string kHex(64, 'a');

LayerIndex sample() {
  LayerIndex index;
  index.roots = {"context", "blob:sha256:" + kHex, "context:my app"};
  Entry root = testing::directory("", 0700);
  root.xattrs = {{"security.x", std::string("a\0b =\n", 6)}, {"user.empty", ""}};
  Entry big = testing::file("bin/a b=%\xff", "hello", 04755);
  big.uid = std::numeric_limits<std::uint32_t>::max();
  big.gid = 7;
  big.mtime = -5;
  big.place = {.root = 1, .offset = 1u << 20, .path = ""};
  Entry local = testing::file("etc/x", "x");
  local.place = {.root = 2, .offset = 0, .path = "dir with blank/x"};
  Entry device;
  device.type = EntryType::char_device;
  device.path = "dev/null";
  device.device_major = 1;
  device.device_minor = 3;
  Entry fifo;
  fifo.type = EntryType::fifo;
  fifo.path = "run/pipe";
  index.entries = {root,
                   big,
                   local,
                   testing::symlink("link", "../a b"),
                   testing::hardlink("other", "etc/x"),
                   device,
                   fifo,
                   testing::whiteout("gone"),
                   testing::opaque("var"),
                   testing::opaque("")};
  return index;
}

TEST(LayerIndex, IdentityIsComputedWithoutParsing) {
  LayerIndex index = sample();
  EXPECT_EQ(LayerIndex::digest_of(index.serialize()), index.digest());
  // Words like places, with places after them and without.
  for (const Entry& like :
       {testing::file("@0:0:", "1"), testing::directory("@d"), testing::symlink("l", "@0:0:x"),
        testing::hardlink("@h", "@0:0:"), testing::whiteout("@w"), testing::opaque("@o")}) {
    index.entries.push_back(like);
    index.entries.push_back(like);
    index.entries.back().place = {.root = 1, .offset = 7, .path = "@0:0:"};
  }
  index.entries.back().xattrs = {{"user.at", "@0:0:"}};
  EXPECT_EQ(LayerIndex::digest_of(index.serialize()), index.digest());
  for (int i = 0; i < 2000; ++i)  // more than is gathered at once
    index.entries.push_back(testing::file("many/" + std::to_string(i), "x"));
  EXPECT_EQ(LayerIndex::digest_of(index.serialize()), index.digest());
  EXPECT_EQ(index.digest_with_places(), sha256(index.serialize()));
  EXPECT_NE(index.digest_with_places(), index.digest());
  std::string other = index.serialize();
  other[other.find("many/17 ") + 5] = '2';
  EXPECT_NE(LayerIndex::digest_of(other), index.digest());
  EXPECT_EQ(LayerIndex::digest_of(""), sha256(""));
}

TEST(LayerIndex, SurvivesARoundTrip) {
  const LayerIndex index = sample();
  const std::string text = index.serialize();
  const LayerIndex again = LayerIndex::parse(text, "x.idx");
  EXPECT_EQ(again.serialize(), text);
  EXPECT_EQ(again.roots, index.roots);
  ASSERT_EQ(again.entries.size(), index.entries.size());
  for (std::size_t i = 0; i < index.entries.size(); ++i) {
    const Entry& a = index.entries[i];
    const Entry& b = again.entries[i];
    EXPECT_EQ(a.path, b.path);
    EXPECT_EQ(a.type, b.type);
    EXPECT_EQ(a.mode, b.mode);
    EXPECT_EQ(a.uid, b.uid);
    EXPECT_EQ(a.mtime, b.mtime);
    EXPECT_EQ(a.digest, b.digest);
    EXPECT_EQ(a.link, b.link);
    EXPECT_EQ(a.xattrs, b.xattrs);
    EXPECT_EQ(a.place, b.place);
  }
}

TEST(LayerIndex, DigestIgnoresRootsAndPlacesOnly) {
  LayerIndex index = sample();
  const Digest digest = index.digest();
  index.roots = {"context", "other", "third"};
  index.entries[1].place.offset = 3;
  index.entries[2].place = {};
  EXPECT_EQ(index.digest(), digest);
  index.entries[1].mode = 0755;
  EXPECT_NE(index.digest(), digest);
}

TEST(LayerIndex, DigestIsOverTheLinesWithoutPlaces) {
  LayerIndex index;
  index.roots = {"context"};
  index.entries = {testing::file("a", "x")};
  index.entries[0].place = {.root = 0, .offset = 0, .path = "a"};
  EXPECT_EQ(index.digest(),
            sha256("bottle-layer-index 1\nf 644 0 0 0 a 1 " + sha256(std::string_view("x")).hex() + "\n"));
}

TEST(LayerIndex, RootIsAddedOnce) {
  LayerIndex index;
  EXPECT_EQ(index.root("context"), 0u);
  EXPECT_EQ(index.root("blob:x"), 1u);
  EXPECT_EQ(index.root("context"), 0u);
}

TEST(LayerIndex, ErrorsNameTheLine) {
  const std::string head = "bottle-layer-index 1\n";
  const std::pair<std::string, const char*> cases[] = {
      {"", "empty"},
      {"bottle-layer-index 2\n", "x.idx:1"},
      {"bottle-layer-index 1", "truncated"},
      {head + "d 755 0 0 0 a", "truncated"},
      {head + "\n", "x.idx:2"},
      {head + "z 755 0 0 0 a\n", "unknown type"},
      {head + "dd 755 0 0 0 a\n", "unknown type"},
      {head + "d 10000 0 0 0 a\n", "the mode"},
      {head + "d 888 0 0 0 a\n", "the mode"},
      {head + "d -1 0 0 0 a\n", "the mode"},
      {head + "d 755 4294967296 0 0 a\n", "the user"},
      {head + "d 755 0 0 99999999999999999999 a\n", "the time"},
      {head + "d 755 0 0 0\n", "the path is missing"},
      {head + "d 755 0 0 0 /a\n", "the path"},
      {head + "d 755 0 0 0 a/../b\n", "the path"},
      {head + "d 755 0 0 0 a%00b\n", "the path"},
      {head + "d 755 0 0 0 a%2\n", "invalid escape"},
      {head + "d 755 0 0 0 a extra\n", "more words"},
      {head + "f 644 0 0 0 a 1 " + kHex.substr(1) + "\n", "digest"},
      {head + "f 644 0 0 0 . 1 " + kHex + "\n", "root is not a directory"},
      {head + "f 644 0 0 0 a 1 " + kHex + " @0:0:a\n", "not in the table"},
      {head + "root context\nf 644 0 0 0 a 1 " + kHex + " @0:0:../a\n", "place's path"},
      {head + "root context\nf 644 0 0 0 a 1 " + kHex + " @0:0\n", "the place is not"},
      {head + "d 755 0 0 0 a\nroot late\n", "follows the first entry"},
      {head + "d 755 0 0 0 a x:b=1 x:a=2\n", "not sorted"},
      {head + "d 755 0 0 0 a x:=1\n", "not <name>=<value>"},
      {head + "d 755 0 0 0 a x\n", "does not begin with x:"},
      {head + "d 755 0 0 0 a xn=1\n", "does not begin with x:"},
      {head + "l 777 0 0 0 a \n", "the link is empty"},
      {head + "h 644 0 0 0 a .\n", "hard link to the root"},
      {head + "h 644 0 0 0 a ../b\n", "the link"},
  };
  for (const auto& [text, message] : cases)
    EXPECT_THAT(error_of([&content = text] { LayerIndex::parse(content, "x.idx"); }), HasSubstr(message))
        << text;
}

}  // namespace
}  // namespace bottle::oci
