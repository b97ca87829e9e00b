// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_writer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "fixtures.hpp"
#include "pack/footer.hpp"
#include "pack/pack_file.hpp"
#include "pack/tree.hpp"
#include "pack/verify.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

std::string noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text)
    c = static_cast<char>(random());
  return text;
}

class PackWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    for (unsigned i = 0; i < 60; ++i)
      maker_.file("dir/f" + std::to_string(i), noise(i * 1000, i));
    maker_.file("big", noise(9'500'000, 99))
        .symlink("link", "/dir/f1")
        .directory("secret", 0700)
        .file("empty", "");
    store_ = directory_.path() / "store";
  }
  void open(const std::string& bytes, const std::function<void(const OpenPack&)>& use) {
    write_file(directory_.path() / "p", bytes, Durable::no);
    use(open_pack(directory_.path() / "p"));
  }

  TemporaryDirectory directory_;
  test::PlanMaker maker_{directory_.path() / "context"};
  fs::path store_;
};

TEST_F(PackWriterTest, PackIsCompleteAndHasTheTree) {
  const test::Written pack = test::write(maker_.plan(), store_);
  open(pack.bytes, [&](const OpenPack& opened) {
    const VerifyReport report = verify_pack(opened);
    EXPECT_TRUE(report.findings.warnings.empty());
    EXPECT_EQ(report.entries, pack.recipe.entries);
    EXPECT_EQ(opened.manifest_text, pack.recipe.manifest);
    const std::vector<TreeRow> rows = tree_of_pack(opened);
    const auto row = [&](const std::string& path) {
      const auto found = std::ranges::find(rows, path, &TreeRow::path);
      return found == rows.end() ? TreeRow{} : *found;
    };
    EXPECT_EQ(rows.size(), 66u);
    EXPECT_EQ(row("big").digest, sha256(noise(9'500'000, 99)));
    EXPECT_EQ(row("dir/f59").digest, sha256(noise(59000, 59)));
    EXPECT_EQ(row("secret").mode, 0700u);
    EXPECT_EQ(row("link").link, "/dir/f1");
  });
}

TEST_F(PackWriterTest, SameBytesForAnyThreadsAndStore) {
  const std::string bytes = test::write(maker_.plan(), store_).bytes;
  const test::Written warm = test::write(maker_.plan(), store_, 5);
  EXPECT_EQ(warm.counts.compressed, 0u);
  EXPECT_TRUE(warm.bytes == bytes);
  EXPECT_TRUE(test::write(maker_.plan(), directory_.path() / "other", 1).bytes == bytes);
  EXPECT_TRUE(test::write(maker_.plan(), directory_.path() / "third", 5).bytes == bytes);
}

TEST_F(PackWriterTest, AnEditCompressesOneFrame) {
  const test::Written before = test::write(maker_.plan(), store_);
  test::PlanMaker edited(directory_.path() / "edited");
  for (unsigned i = 0; i < 60; ++i)
    edited.file("dir/f" + std::to_string(i), noise(i * 1000, i == 30 ? 1000 : i));
  edited.file("big", noise(9'500'000, 99))
      .symlink("link", "/dir/f1")
      .directory("secret", 0700)
      .file("empty", "");
  const test::Written after = test::write(edited.plan(), store_);
  EXPECT_EQ(after.counts.compressed, 1u);
  EXPECT_EQ(after.counts.reused + 1 + after.counts.structure, after.counts.total);
  EXPECT_EQ(before.counts.total, after.counts.total);
  EXPECT_NE(before.recipe.layer_id, after.recipe.layer_id);
  EXPECT_TRUE(test::write(edited.plan(), directory_.path() / "cold").bytes == after.bytes);
}

TEST_F(PackWriterTest, DamagedFrameIsRebuilt) {
  const std::string bytes = test::write(maker_.plan(), store_).bytes;
  // Every frame in the store gets one bit wrong, without a change of size.
  std::size_t damaged = 0;
  for (const fs::directory_entry& file : fs::recursive_directory_iterator(store_ / "blobs")) {
    if (!file.is_regular_file()) continue;
    std::string content = read_file(file.path());
    char& byte = content[content.size() / 2];
    byte = static_cast<char>(byte ^ 1);
    fs::remove(file.path());
    write_file(file.path(), content, Durable::no);
    ++damaged;
  }
  ASSERT_GE(damaged, 3u);
  const test::Written again = test::write(maker_.plan(), store_);
  EXPECT_TRUE(again.bytes == bytes);
  EXPECT_EQ(again.counts.reused, 0u);
}

TEST_F(PackWriterTest, DamagedPartOfABigFileIsRebuilt) {
  const test::Written first = test::write(maker_.plan(), store_);
  // The parts of "big" are the only frames of 4 MiB.
  for (const PackRecipe::Piece& piece : first.recipe.frames)
    if (piece.raw_size >= 4u << 20) {
      const store::Store store = store::Store::open(store_);
      const fs::path path = *store.find_blob(piece.blob);
      std::string content = read_file(path);
      content[1000] = static_cast<char>(content[1000] ^ 1);
      fs::remove(path);
      write_file(path, content, Durable::no);
      break;
    }
  const test::Written again = test::write(maker_.plan(), store_);
  EXPECT_TRUE(again.bytes == first.bytes);
  EXPECT_EQ(again.counts.compressed, 1u);
}

TEST_F(PackWriterTest, AFileThatChangedIsAnError) {
  const image::LoadedPlan plan = maker_.plan();
  write_file(directory_.path() / "context/dir/f30", noise(30000, 7), Durable::no);
  EXPECT_THROW(test::write(plan, store_), Error);
}

TEST_F(PackWriterTest, ChangedBigFileIsAnErrorAndStoresNoFrame) {
  const image::LoadedPlan plan = maker_.plan();
  std::string content = noise(9'500'000, 99);
  content[9'000'000] = static_cast<char>(content[9'000'000] ^ 1);
  write_file(directory_.path() / "context/big", content, Durable::no);
  EXPECT_THROW(test::write(plan, store_), Error);
  // Put right again, nothing of the wrong content may come back from the store.
  write_file(directory_.path() / "context/big", noise(9'500'000, 99), Durable::no);
  const test::Written pack = test::write(plan, store_);
  EXPECT_TRUE(pack.bytes == test::write(plan, directory_.path() / "cold").bytes);
}

TEST_F(PackWriterTest, RecipeGivesTheSameBytes) {
  const test::Written pack = test::write(maker_.plan(), store_);
  const PackRecipe recipe = PackRecipe::parse(pack.recipe.serialize(), "recipe");
  const store::Store store = store::Store::open(store_);
  AtomicFile output(directory_.path() / "again", 0666, Durable::no);
  ASSERT_TRUE(write_pack(recipe, store, output.descriptor(), "again"));
  output.commit();
  EXPECT_TRUE(read_file(directory_.path() / "again") == pack.bytes);
}

TEST_F(PackWriterTest, RecipeWithADamagedFrameFails) {
  const test::Written pack = test::write(maker_.plan(), store_);
  const store::Store store = store::Store::open(store_);
  const auto damaged = std::ranges::find_if(
      pack.recipe.frames, [](const PackRecipe::Piece& piece) { return !piece.blob.empty(); });
  const fs::path path = *store.find_blob(damaged->blob);
  std::string content = read_file(path);
  content.back() = static_cast<char>(content.back() ^ 1);
  fs::remove(path);
  write_file(path, content, Durable::no);
  AtomicFile output(directory_.path() / "again", 0666, Durable::no);
  EXPECT_FALSE(write_pack(pack.recipe, store, output.descriptor(), "again"));
  EXPECT_FALSE(store.find_blob(damaged->blob));
}

TEST_F(PackWriterTest, RecipeWithWrongSizesIsAnError) {
  const test::Written pack = test::write(maker_.plan(), store_);
  const auto error_of = [&](const std::function<void(PackRecipe&)>& change) -> std::string {
    PackRecipe recipe = pack.recipe;
    change(recipe);
    try {
      PackRecipe::parse(recipe.serialize(), "recipe");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of([](PackRecipe& recipe) { ++recipe.pack_size; }),
              testing::HasSubstr("recipe#/packSize: expected the sizes of frames"));
  EXPECT_THAT(error_of([](PackRecipe& recipe) { recipe.frames[1].size = std::uint64_t{1} << 60; }),
              testing::HasSubstr("recipe#/frames/1/1: expected"));
  EXPECT_THAT(error_of([](PackRecipe& recipe) { ++recipe.frames[0].size; }),
              testing::HasSubstr("recipe#/frames/0/1: expected the number of the bytes"));
}

TEST_F(PackWriterTest, PackIsComparedByItsBytes) {
  const test::Written pack = test::write(maker_.plan(), store_);
  const auto is_known = [&](const std::string& bytes) {
    write_file(directory_.path() / "file", bytes, Durable::no);
    return is_pack(pack.recipe, open_for_reading(directory_.path() / "file").get(), "file");
  };
  EXPECT_TRUE(is_known(pack.bytes));
  // A bit of the first literal frame, of each part of the middle, of the manifest and of the footer.
  const std::size_t assets = pack.bytes.size() - kFooterSize - pack.recipe.manifest.size();
  for (const std::size_t at : {std::size_t{3}, assets / 3, assets / 2, assets - 1, assets + 5, assets - 200,
                               pack.bytes.size() - kFooterSize, pack.bytes.size() - 1}) {
    std::string altered = pack.bytes;
    altered[at] = static_cast<char>(altered[at] ^ 1);
    EXPECT_FALSE(is_known(altered)) << at;
  }
  EXPECT_FALSE(is_known(pack.bytes.substr(0, pack.bytes.size() - 1)));
  EXPECT_FALSE(is_known(""));
}

TEST_F(PackWriterTest, IdentityFollowsTheBytes) {
  const test::Written pack = test::write(maker_.plan(), store_);
  EXPECT_EQ(test::write(maker_.plan(), directory_.path() / "other", 5).recipe.identity(),
            pack.recipe.identity());
  EXPECT_EQ(PackRecipe::parse(pack.recipe.serialize(), "recipe").identity(), pack.recipe.identity());
  PackOptions options = test::options();
  options.cpus = 1;  // in the manifest alone
  EXPECT_NE(test::write(maker_.plan(), store_, 2, options).recipe.identity(), pack.recipe.identity());
  maker_.file("dir/f30", noise(30000, 1000));
  EXPECT_NE(test::write(maker_.plan(), store_).recipe.identity(), pack.recipe.identity());
}

TEST_F(PackWriterTest, LevelChangesTheBytes) {
  PackOptions options = test::options();
  options.level = 10;
  const test::Written pack = test::write(maker_.plan(), store_, 2, options);
  EXPECT_TRUE(pack.bytes != test::write(maker_.plan(), store_).bytes);
  EXPECT_EQ(test::verify_error_of_bytes(pack.bytes), "");
}

TEST_F(PackWriterTest, EmptyImageIsPacked) {
  test::PlanMaker empty(directory_.path() / "empty");
  const test::Written pack = test::write(empty.plan(), store_);
  EXPECT_EQ(test::verify_error_of_bytes(pack.bytes), "");
  EXPECT_EQ(pack.recipe.image_size, 1u);
}

TEST_F(PackWriterTest, LongNamesAndLargeOwnersArePacked) {
  test::PlanMaker odd(directory_.path() / "odd");
  const std::string deep = std::string(120, 'd') + "/" + std::string(200, 'e');
  odd.file(deep, "x").symlink("l", std::string(300, 't'));
  oci::Entry owned;
  owned.path = "owned";
  owned.digest = sha256("");
  owned.uid = 4294967294;
  owned.gid = 3000000;
  owned.mtime = 1ll << 34;
  owned.mode = 07777;
  odd.add(owned);
  open(test::write(odd.plan(), store_).bytes, [&](const OpenPack& opened) {
    verify_pack(opened);
    const std::vector<TreeRow> rows = tree_of_pack(opened);
    ASSERT_EQ(rows.size(), 5u);
    EXPECT_EQ(rows[2].path, deep);
    EXPECT_EQ(rows[3].link, std::string(300, 't'));
    EXPECT_EQ(rows[4].uid, 4294967294u);
    EXPECT_EQ(rows[4].gid, 3000000u);
    EXPECT_EQ(rows[4].mode, 07777u);
  });
}

}  // namespace
}  // namespace bottle::pack
