// SPDX-License-Identifier: Apache-2.0
#include "store/collect.hpp"

#include "testing.hpp"
#include "util/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bottle::store {
namespace {

constexpr std::time_t kDay = 86400;

class Collections : public StoreTest {
 protected:
  // Three actions of 10,000 bytes each, used three, two and one days ago.
  void SetUp() override {
    const Store store = open();
    for (int i = 0; i < 3; ++i) {
      const std::string name = "action " + std::to_string(i);
      keys_[i] = put_action(store, name, std::string(10000, static_cast<char>('a' + i)));
      set_times(layout().action(keys_[i]), (3 - i) * kDay);
    }
  }
  Presence presence(int i) const { return open().find_action(keys_[i]).presence; }
  Digest keys_[3];
};

TEST_F(Collections, WithoutLimitsNamedBlobsAreKept) {
  const CollectReport report = collect(root(), {});
  EXPECT_EQ(report.actions_kept, 3u);
  EXPECT_EQ(report.blobs_kept, 3u);
  EXPECT_EQ(report.size_before, report.size_after);
  EXPECT_EQ(presence(0), Presence::present);
}

TEST_F(Collections, MaxSizeEvictsTheLeastRecentlyUsed) {
  const CollectReport report = collect(root(), {.max_size = 25000});
  EXPECT_EQ(report.actions_evicted, 1u);
  EXPECT_EQ(report.blobs_removed, 1u);
  EXPECT_LE(report.size_after, 25000u);
  EXPECT_EQ(presence(0), Presence::evicted);
  EXPECT_EQ(presence(1), Presence::present);
  EXPECT_EQ(presence(2), Presence::present);
  EXPECT_THAT(open().find_action(keys_[0]).detail, testing::HasSubstr("bottle-cache gc"));
  EXPECT_FALSE(open().find_blob(sha256(std::string(10000, 'a'))));
}

TEST_F(Collections, UsedActionsAreKept) {
  ASSERT_EQ(presence(0), Presence::present);  // notes the use
  collect(root(), {.max_size = 15000});
  EXPECT_EQ(presence(0), Presence::present);
  EXPECT_EQ(presence(1), Presence::evicted);
  EXPECT_EQ(presence(2), Presence::evicted);
}

TEST_F(Collections, MaxAgeEvictsByLastUse) {
  const CollectReport report = collect(root(), {.max_age = 36 * 3600});
  EXPECT_EQ(report.actions_evicted, 2u);
  EXPECT_EQ(presence(1), Presence::evicted);
  EXPECT_EQ(presence(2), Presence::present);
}

TEST_F(Collections, TreesAreEvictedByLastUse) {
  const std::time_t now = ::time(nullptr);
  std::vector<std::string> removed;
  CollectOptions options{.max_size = 25000};
  options.trees = [&] {
    return std::vector<Tree>{{.name = "useless", .bytes = 5, .used = now, .is_garbage = true},
                             {.name = "old", .bytes = 10000, .used = now - 5 * kDay},
                             {.name = "new", .bytes = 2000, .used = now - kDay / 2}};
  };
  options.remove_trees = [&](const std::vector<std::string>& names) { removed = names; };
  const CollectReport report = collect(root(), options);
  EXPECT_THAT(removed, testing::ElementsAre("useless", "old"));
  EXPECT_EQ(report.trees_evicted, 1u);
  EXPECT_EQ(report.trees_kept, 1u);
  EXPECT_EQ(report.actions_evicted, 1u);
  EXPECT_EQ(presence(0), Presence::evicted);
  EXPECT_LE(report.size_after, 25000u);

  options = {.max_age = 60, .trees = options.trees, .remove_trees = options.remove_trees};
  collect(root(), options);
  EXPECT_THAT(removed, testing::ElementsAre("useless", "old", "new"));
}

TEST_F(Collections, BlobIsKeptWhileAnActionNamesIt) {
  const Digest other = put_action(open(), "shares the first blob", std::string(10000, 'a'));
  collect(root(), {.max_age = 12 * 3600});
  EXPECT_EQ(presence(0), Presence::evicted);
  EXPECT_EQ(open().find_action(other).presence, Presence::present);
}

TEST_F(Collections, DryRunReportsAndRemovesNothing) {
  write_file(layout().temporaries() / "999999.0", "left");
  const CollectReport dry = collect(root(), {.max_size = 0, .dry_run = true});
  EXPECT_EQ(presence(0), Presence::present);
  EXPECT_EQ(files_in(layout().temporaries()), 1u);
  // The look-up above noted a use: the order differs, the sums do not.
  const CollectReport real = collect(root(), {.max_size = 0});
  EXPECT_EQ(dry.size_after, real.size_after);
  EXPECT_EQ(dry.actions_evicted, real.actions_evicted);
  EXPECT_EQ(dry.blobs_removed, real.blobs_removed);
  EXPECT_EQ(dry.temporaries_removed, real.temporaries_removed);
  EXPECT_EQ(real.size_after, 0u);
}

TEST_F(Collections, ActionsOfBuildDirectoriesAreKept) {
  const fs::path build = directory_.path() / "build";
  make_directories(build);
  open().register_root(build, "pack", {keys_[0]});
  const CollectReport report = collect(root(), {.max_size = 15000, .keep_referenced = true});
  EXPECT_EQ(presence(0), Presence::present);
  EXPECT_EQ(presence(1), Presence::evicted);
  EXPECT_GT(report.bytes_kept_by_references, 10000u);
  EXPECT_TRUE(collect(root(), {.max_size = 5000, .keep_referenced = true}).over_max_size);
  EXPECT_EQ(presence(0), Presence::present);

  fs::remove(build);
  const CollectReport later = collect(root(), {.max_size = 5000, .keep_referenced = true});
  EXPECT_EQ(later.roots_dropped, 1u);
  EXPECT_EQ(presence(0), Presence::evicted);
}

TEST_F(Collections, RootsAreReplacedStepByStep) {
  const fs::path build = directory_.path() / "build";
  make_directories(build);
  const Store store = open();
  store.register_root(build, "pack", {keys_[0]});
  store.register_root(build, "image", {keys_[1]});
  store.register_root(build, "pack", {keys_[2]});
  EXPECT_EQ(files_in(layout().roots()), 2u);
  store.register_root(build, "pack", {});
  store.register_root(build, "none", {});
  EXPECT_EQ(files_in(layout().roots()), 1u);
}

TEST_F(Collections, UnnamedBlobsHaveAGracePeriod) {
  const Output young = open().put("young");
  const Output old = open().put("old");
  set_times(open().blob_path(old.digest), 2 * 3600);
  collect(root(), {});
  EXPECT_TRUE(open().find_blob(young.digest));
  EXPECT_FALSE(open().find_blob(old.digest));
  collect(root(), {.max_size = 30005});  // takes unnamed blobs before any action
  EXPECT_FALSE(open().find_blob(young.digest));
}

TEST_F(Collections, FilesOfKilledProcessesAndOldTombstonesAreRemoved) {
  write_file(layout().temporaries() / "999999.0", "left");
  make_directories(layout().temporaries() / "bottle-abc/sub");
  EXPECT_EQ(collect(root(), {.max_size = 0}).temporaries_removed, 2u);
  EXPECT_EQ(files_in(layout().temporaries()), 0u);
  set_times(layout().tombstone(keys_[0]), 100 * kDay);
  EXPECT_EQ(collect(root(), {}).tombstones_removed, 1u);
  EXPECT_EQ(presence(0), Presence::never);
  EXPECT_EQ(presence(1), Presence::evicted);
}

TEST_F(Collections, RemovesBrokenActions) {
  overwrite(layout().action(keys_[0]), "{}");
  fs::remove(open().blob_path(sha256(std::string(10000, 'b'))));
  const CollectReport report = collect(root(), {});
  EXPECT_EQ(report.actions_broken, 2u);
  EXPECT_EQ(report.actions_kept, 1u);
  EXPECT_EQ(presence(2), Presence::present);
}

TEST_F(Collections, MissingDirectoryIsAnEmptyStore) {
  EXPECT_EQ(collect(directory_.path() / "none", {}).size_before, 0u);
  EXPECT_FALSE(fs::exists(directory_.path() / "none"));
}

TEST_F(Collections, WaitsForARunningBuild) {
  int ready[2];
  int go[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(go), 0);
  const pid_t builder = ::fork();
  if (builder == 0) {
    ::close(go[1]);
    const Store store = open();
    char byte = 'r';
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    if (::read(go[0], &byte, 1) != 1) ::_exit(2);
    // Collection has begun to wait: everything is still here.
    ::_exit(store.find_action(keys_[0]).presence == Presence::present ? 0 : 3);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  int waits = 0;
  CollectOptions options{.max_size = 0};
  options.on_wait = [&] {
    ++waits;
    ASSERT_EQ(::write(go[1], "g", 1), 1);
  };
  collect(root(), options);
  EXPECT_EQ(waits, 1);
  int status = -1;
  ASSERT_EQ(::waitpid(builder, &status, 0), builder);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(presence(0), Presence::evicted);
  for (const int end : {ready[0], ready[1], go[0], go[1]})
    ::close(end);
}

}  // namespace
}  // namespace bottle::store
