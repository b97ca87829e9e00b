// SPDX-License-Identifier: Apache-2.0
#include "oci/layer_import.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "compressed.hpp"
#include "oci/content.hpp"
#include "oci/tar_writer.hpp"
#include "testing.hpp"
#include "util/file.hpp"

namespace bottle::oci {
namespace {

using namespace testing;
using ::testing::HasSubstr;

ImportedLayer import(const std::string& blob, const LayerImportOptions& options = {}, const Sink& sink = {}) {
  return import_layer(memory_source(bytes(blob)), "layer", options, sink);
}

std::vector<Entry> sample() {
  return {directory(""),        directory("d"),    file("d/empty", ""), file("d/f", "hello"),
          hardlink("g", "d/f"), symlink("l", "d"), whiteout("gone"),    opaque("d")};
}

TEST(LayerImport, CompressionDoesNotChangeTheLayer) {
  const std::string tar = tar_of(sample());
  for (const std::string& blob :
       {tar, gzip(tar), zstd(tar), gzip(tar.substr(0, 700)) + gzip(tar.substr(700))}) {
    std::string uncompressed;
    const ImportedLayer layer = import(
        blob, {.digest = sha256(blob), .size = blob.size(), .diff_id = sha256(tar)}, append_to(uncompressed));
    EXPECT_EQ(uncompressed, tar);
    EXPECT_EQ(layer.diff_id, sha256(tar));
    EXPECT_EQ(layer.uncompressed_size, tar.size());
    EXPECT_EQ(layer.digest, sha256(blob));
    EXPECT_EQ(layer.size, blob.size());
    EXPECT_EQ(layer.index.roots, (std::vector<std::string>{"blob:" + sha256(tar).string()}));
    ASSERT_EQ(layer.index.entries.size(), sample().size());
    const Entry& f = layer.index.entries[3];
    EXPECT_EQ(f.digest, sha256(std::string_view("hello")));
    EXPECT_EQ(tar.substr(f.place.offset, f.size), "hello");
    EXPECT_EQ(layer.index.entries[2].place.root, Place::kNone);
    EXPECT_EQ(layer.index.entries[2].digest, sha256(std::string_view()));
  }
}

TEST(LayerImport, WrongBlobsNameExpectedAndFound) {
  const std::string tar = tar_of(sample());
  const std::string blob = gzip(tar);
  const Digest other = sha256(std::string_view("other"));
  EXPECT_THAT(error_of([&] { import(blob, {.digest = other}); }),
              AllOf(HasSubstr("layer: "), HasSubstr(other.string()), HasSubstr(sha256(blob).string())));
  EXPECT_THAT(error_of([&] { import(blob, {.size = blob.size() + 1}); }), HasSubstr("the wrong size"));
  EXPECT_THAT(error_of([&] { import(blob, {.size = blob.size() - 1}); }), HasSubstr("the wrong size"));
  EXPECT_THAT(error_of([&] { import(blob, {.diff_id = other}); }),
              AllOf(HasSubstr("expected diff ID " + other.string()), HasSubstr(sha256(tar).string())));
}

// An altered or shortened blob is reported as that, not as what it did to the archive inside.
TEST(LayerImport, DamageIsAWrongDigestOrSize) {
  const std::string blob = gzip(tar_of(sample()));
  const LayerImportOptions options{.digest = sha256(blob), .size = blob.size()};
  for (std::size_t i = 0; i < blob.size(); ++i) {
    std::string altered = blob;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    ASSERT_THAT(error_of([&] { import(altered, options); }), HasSubstr("does not match its digest")) << i;
    ASSERT_THAT(error_of([&] { import(blob.substr(0, i), options); }), HasSubstr("the wrong size")) << i;
  }
}

TEST(LayerImport, BrokenArchiveWithItsDigestIsAnArchiveError) {
  const std::string blob = gzip(tar_of(sample()).substr(0, 700));
  EXPECT_THAT(error_of([&] { import(blob, {.digest = sha256(blob)}); }), HasSubstr("corrupt tar archive"));
}

TEST(LayerImport, InflatedSizeIsLimited) {
  const std::string blob = gzip(tar_of({file("zeros", std::string(1u << 20, '\0'))}));
  EXPECT_LT(blob.size(), 10'000u);
  EXPECT_THAT(error_of([&] { import(blob, {.maximum_uncompressed = 1u << 19}); }),
              HasSubstr("exceeds the limit"));
}

TEST(LayerImport, RatioIsLimited) {
  const std::string blob = gzip(tar_of({file("zeros", std::string(1u << 20, '\0'))}));
  LayerImportOptions options{.size = blob.size(), .maximum_ratio = 10, .ratio_from = 1u << 19};
  try {
    import(blob, options);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("exceeds the limit of 524288 bytes"));
    EXPECT_THAT(error.hint(), HasSubstr("BOTTLE_MAXIMUM_RATIO"));
  }
  options.ratio_from = 2u << 20;
  EXPECT_EQ(error_of([&] { import(blob, options); }), "") << "small layers may be of any ratio";
  options = {.size = blob.size(), .maximum_ratio = 0, .ratio_from = 0};
  EXPECT_EQ(error_of([&] { import(blob, options); }), "") << "no bound";
}

TEST(LayerImport, RatioIsReadFromTheEnvironment) {
  ::unsetenv("BOTTLE_MAXIMUM_RATIO");
  EXPECT_EQ(ratio_bound(), kMaximumRatio);
  for (const auto& [text, ratio] :
       std::map<const char*, std::uint64_t>{{"7", 7}, {"none", 0}, {"", kMaximumRatio}}) {
    ::setenv("BOTTLE_MAXIMUM_RATIO", text, 1);
    EXPECT_EQ(ratio_bound(), ratio) << text;
  }
  for (const char* text : {"0", "-1", "x", "1.5"}) {
    ::setenv("BOTTLE_MAXIMUM_RATIO", text, 1);
    EXPECT_THAT(error_of([] { ratio_bound(); }), HasSubstr("BOTTLE_MAXIMUM_RATIO")) << text;
  }
  ::unsetenv("BOTTLE_MAXIMUM_RATIO");
  constexpr std::uint64_t kHuge = UINT64_MAX / 2;
  EXPECT_EQ(maximum_inflated(kHuge, kMaximumLayer, 2000, 1), kMaximumLayer) << "no overflow";
  EXPECT_EQ(maximum_inflated(10, kMaximumLayer, 2000, 1), 20'000u);
}

// A sparse file of 8 bytes at the offset 1000, with `size` bytes altogether.
std::string sparse_tar(std::uint64_t size) {
  return pax({{"GNU.sparse.name", "disk"},
              {"GNU.sparse.size", std::to_string(size)},
              {"GNU.sparse.map", "1000,8"}}) +
         raw_header({.name = "x", .size = octal(8)}) + padded("abcdefgh") + raw_header({.name = "after"}) +
         std::string(tar_end());
}

TEST(LayerImport, SparseFilesAreExpandedInSeparateBlobs) {
  const std::string tar = sparse_tar(5000);
  std::string kept;
  const ImportedLayer layer = import(gzip(tar), {.keep = [&](const auto& produce) {
                                       produce(append_to(kept));
                                       return sha256(kept);
                                     }});
  EXPECT_EQ(kept, std::string(1000, '\0') + "abcdefgh" + std::string(3992, '\0'));
  ASSERT_EQ(layer.index.entries.size(), 2u);
  const Entry& disk = layer.index.entries[0];
  EXPECT_EQ(disk.path, "disk");
  EXPECT_EQ(disk.size, 5000u);
  EXPECT_EQ(disk.digest, sha256(kept));
  EXPECT_EQ(layer.index.roots,
            (std::vector<std::string>{"blob:" + sha256(tar).string(), "blob:" + sha256(kept).string()}));
  EXPECT_EQ(disk.place.root, 1u);
  EXPECT_EQ(layer.diff_id, sha256(tar));
}

TEST(LayerImport, SparseFilesAreBounded) {
  const auto refusal = [](std::uint64_t size, bool keeps) {
    LayerImportOptions options{.maximum_uncompressed = 1u << 20};
    if (keeps) options.keep = [](const auto&) { return Digest(); };
    return error_of([&] { import(sparse_tar(size), options); });
  };
  EXPECT_EQ(refusal(1u << 20, true), "");
  EXPECT_THAT(refusal((1u << 20) + 1, true), HasSubstr("more than 1048576 bytes"));
  EXPECT_THAT(refusal(5000, false), HasSubstr("sparse"));
}

// Whatever an index says, its tar says the same when it is read again.
TEST(LayerImport, TarAndIndexRoundTrip) {
  std::mt19937 random(20'260);
  const auto pick = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
  const auto word = [&](std::uint32_t longest) {
    std::string text;
    for (std::uint32_t i = 0, size = 1 + pick(longest); i < size; ++i)
      text += static_cast<char>(pick(8) == 0 ? 1 + pick(255) : 'a' + pick(26));
    std::replace(text.begin(), text.end(), '/', '_');
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    LayerIndex index;
    index.roots = {"context"};
    TemporaryDirectory context;
    for (std::uint32_t i = 0, count = pick(20); i < count; ++i) {
      Entry entry;
      entry.path = word(pick(10) == 0 ? 200 : 10);
      for (std::uint32_t depth = pick(3); depth > 0; --depth)
        entry.path += "/" + word(pick(10) == 0 ? 200 : 10);
      if (!is_entry_path(entry.path)) continue;
      entry.type = static_cast<EntryType>(pick(9));
      const bool mark = entry.type == EntryType::whiteout || entry.type == EntryType::opaque;
      if (!mark) {
        entry.mode = static_cast<std::uint16_t>(entry.type == EntryType::symlink ? 0777 : pick(010000));
        entry.uid = pick(2) == 0 ? pick(1000) : random() & 0xffffffff;
        entry.gid = pick(2) == 0 ? pick(1000) : random() & 0xffffffff;
        entry.mtime = pick(3) == 0 ? -static_cast<std::int64_t>(pick(100'000))
                                   : std::int64_t{pick(1u << 31)} << pick(6);
        if (pick(4) == 0) {
          std::string name = "user." + word(20);
          std::replace(name.begin(), name.end(), '=', '_');
          entry.xattrs = {{"security.capability", word(20)}, {name, word(150)}};
        }
      }
      if (entry.type == EntryType::symlink) entry.link = word(pick(5) == 0 ? 300 : 20);
      if (entry.type == EntryType::hardlink) entry.link = "t/" + word(pick(5) == 0 ? 200 : 20);
      if (entry.type == EntryType::char_device || entry.type == EntryType::block_device) {
        entry.device_major = pick(1u << 12);
        entry.device_minor = pick(1u << 20);
      }
      if (entry.type == EntryType::file) {
        const std::string content = pick(3) == 0 ? std::string() : word(2000);
        entry.size = content.size();
        entry.digest = sha256(content);
        if (!content.empty()) {
          entry.place = {.root = 0, .offset = 0, .path = std::to_string(i)};
          write_file(context.path() / entry.place.path.view(), content, Durable::no);
        }
      }
      index.entries.push_back(std::move(entry));
    }
    std::string tar;
    const ContentReader reader({{"context", context.path()}}, {});
    write_layer_tar(index, reader, "round trip", append_to(tar));
    const ImportedLayer layer = import(tar);
    ASSERT_EQ(layer.index.digest(), index.digest()) << index.serialize() << "\n" << layer.index.serialize();
    // And the tar made from the imported index is the same tar.
    std::string again;
    const fs::path blob = context.path() / "blob";
    write_file(blob, tar, Durable::no);
    write_layer_tar(layer.index, ContentReader({}, [&](const Digest&) { return blob; }), "again",
                    append_to(again));
    ASSERT_EQ(again, tar);
  }
}

TEST(LayerImport, WriteLayerTarStreamsBigFilesAndVerifies) {
  TemporaryDirectory context;
  std::string big(3'000'000, 'x');
  big[1'500'000] = 'y';
  write_file(context.path() / "big", big, Durable::no);
  LayerIndex index;
  index.roots = {"context"};
  index.entries = {file("big", big), file("e", "")};
  index.entries[0].place = {.root = 0, .offset = 0, .path = "big"};
  const ContentReader reader({{"context", context.path()}}, {});
  std::size_t largest = 0;
  std::string tar;
  write_layer_tar(index, reader, "x", [&](std::span<const std::byte> data) {
    largest = std::max(largest, data.size());
    tar += text(data);
  });
  EXPECT_LE(largest, 512u << 10);
  EXPECT_EQ(tar, tar_of(index.entries));
  big[0] = 'z';
  write_file(context.path() / "big", big, Durable::no);
  EXPECT_THAT(error_of([&] { write_layer_tar(index, reader, "x", {[](auto) {}}); }),
              HasSubstr("the file changed while the build used it"));
}

}  // namespace
}  // namespace bottle::oci
