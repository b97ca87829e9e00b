// SPDX-License-Identifier: Apache-2.0
#include "image/context/stat_cache.hpp"

#include "testing.hpp"

namespace bottle::image {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000'000'000;

class StatCacheTest : public ::testing::Test {
 protected:
  context::StatCache open(const fs::path& root = "/some/root") const {
    return context::StatCache(directory_.path(), root);
  }
  // The one file of the cache.
  fs::path file() const { return fs::directory_iterator(directory_.path() / "stat")->path(); }
  static context::FileStatus status(std::uint64_t inode = 7) {
    return {.device = 1, .inode = inode, .size = 5, .mtime_ns = 1234, .ctime_ns = kNow - 1'000'000'000};
  }
  static context::FileContent content(std::string_view text) {
    return {.digest = sha256(text), .xattrs = {}};
  }
  static std::optional<context::FileContent> found(const context::StatCache& cache, const std::string& path,
                                                   const context::FileStatus& of) {
    const context::FileContent* content = cache.find(path, of);
    return content == nullptr ? std::nullopt : std::optional(*content);
  }
  void save_one(const std::string& path = "a") const {
    context::StatCache cache = open();
    cache.add(path, status(), content("hello"), kNow);
    cache.save();
  }

  TemporaryDirectory directory_;
};

TEST_F(StatCacheTest, EntriesAreReadByTheNextProcess) {
  save_one();
  EXPECT_EQ(found(open(), "a", status()), content("hello"));
  EXPECT_EQ(open().find("b", status()), nullptr);
  EXPECT_EQ(open("/other/root").find("a", status()), nullptr);
}

TEST_F(StatCacheTest, AnyDifferenceOfTheStatusIsAChange) {
  save_one();
  const context::StatCache cache = open();
  for (auto member :
       {&context::FileStatus::device, &context::FileStatus::inode, &context::FileStatus::size}) {
    context::FileStatus other = status();
    ++(other.*member);
    EXPECT_EQ(cache.find("a", other), nullptr);
  }
  for (auto member : {&context::FileStatus::mtime_ns, &context::FileStatus::ctime_ns}) {
    context::FileStatus other = status();
    ++(other.*member);
    EXPECT_EQ(cache.find("a", other), nullptr);
  }
}

// A file that was written just before it was read may be written again within the same tick of the clock.
TEST_F(StatCacheTest, RecentlyChangedFilesAreNotCached) {
  context::StatCache cache = open();
  context::FileStatus fresh = status();
  fresh.ctime_ns = kNow - context::StatCache::kRacyWindow + 1;
  cache.add("fresh", fresh, content("1"), kNow);
  EXPECT_EQ(cache.find("fresh", fresh), nullptr);
  fresh.ctime_ns = kNow - context::StatCache::kRacyWindow;
  cache.add("fresh", fresh, content("1"), kNow);
  EXPECT_EQ(found(cache, "fresh", fresh), content("1"));
  // mtime can be set at will; only ctime counts.
  context::FileStatus back_dated = status();
  back_dated.mtime_ns = 0;
  back_dated.ctime_ns = kNow;
  cache.add("back-dated", back_dated, content("2"), kNow);
  EXPECT_EQ(cache.find("back-dated", back_dated), nullptr);
}

TEST_F(StatCacheTest, PathsAreBytes) {
  for (const std::string path : {"with blank", "new\nline", "100%", "\xff\xfe", "a=b", "end 1"}) {
    save_one(path);
    EXPECT_EQ(found(open(), path, status()), content("hello")) << path;
  }
}

TEST_F(StatCacheTest, KeepsExtendedAttributes) {
  const context::FileContent with{
      .digest = sha256("x"), .xattrs = {{"security.capability", std::string("\0\1 =\n", 5)}, {"user.a", ""}}};
  context::StatCache cache = open();
  cache.add("with blank", status(), with, kNow);
  cache.add("none", status(), content("y"), kNow);
  cache.save();
  EXPECT_EQ(found(open(), "with blank", status()), with);
  EXPECT_EQ(found(open(), "none", status()), content("y"));
}

TEST_F(StatCacheTest, KeepsEarlierEntriesAndWritesOnlyWhenSomethingWasAdded) {
  save_one("a");
  save_one("b");
  context::StatCache cache = open();
  EXPECT_EQ(found(cache, "a", status()), content("hello"));
  EXPECT_EQ(found(cache, "b", status()), content("hello"));
  fs::remove(file());
  cache.save();
  EXPECT_TRUE(fs::is_empty(directory_.path() / "stat"));
}

TEST_F(StatCacheTest, DamagedFilesAreIgnored) {
  {
    context::StatCache cache = open();
    for (int i = 0; i < 20; ++i)
      cache.add("file" + std::to_string(i), status(), content("hello"), kNow);
    cache.save();
  }
  const std::string whole = read_file(file());
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    write_file(file(), whole.substr(0, length), Durable::no);
    EXPECT_EQ(open().find("file1", status()), nullptr) << length;
  }
  write_file(file(), whole + "x\n", Durable::no);
  EXPECT_EQ(open().find("file1", status()), nullptr);
  std::string other_version = whole;
  other_version[other_version.find('\n') - 1] = '0';
  write_file(file(), other_version, Durable::no);
  EXPECT_EQ(open().find("file1", status()), nullptr);
  write_file(file(), whole, Durable::no);
  EXPECT_EQ(found(open(), "file1", status()), content("hello"));
}

TEST_F(StatCacheTest, UnwritableDirectoryIsAccepted) {
  write_file(directory_.path() / "stat", "a file where the directory would be");
  context::StatCache cache = open();
  cache.add("a", status(), content("hello"), kNow);
  EXPECT_NO_THROW(cache.save());
  EXPECT_EQ(found(cache, "a", status()), content("hello"));
}

}  // namespace
}  // namespace bottle::image
