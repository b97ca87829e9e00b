// SPDX-License-Identifier: Apache-2.0
#include "pack/pack_step.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "pack/pack_file.hpp"
#include "pack/verify.hpp"
#include "util/error.hpp"

namespace bottle::pack {
namespace {

class PackStepTest : public testing::Test {
 protected:
  void SetUp() override {
    maker_.file("a", "first").file("b", std::string(100000, 'x'));
    save();
    request_.slug = "test";
    request_.plan_directory = request_.records = build_;
    request_.output = build_ / "test.smolmachine";
    request_.options = test::options();
    request_.runtime = "none";
  }
  void save() { image::save_plan(maker_.plan(), build_, store_); }

  TemporaryDirectory directory_;
  fs::path build_ = directory_.path() / "build";
  store::Store store_ = store::Store::open(directory_.path() / "store");
  test::PlanMaker maker_{directory_.path() / "context"};
  PackRequest request_;
};

TEST_F(PackStepTest, BuiltThenUnchangedThenStored) {
  const PackOutcome first = make_pack(request_, store_);
  EXPECT_EQ(first.outcome, "built");
  EXPECT_EQ(first.reason, "never");
  EXPECT_TRUE(first.replaced);
  EXPECT_EQ(test::verify_error(request_.output), "");
  EXPECT_NE(read_file(build_ / "pack.json").find(first.recipe.identity().string()), std::string::npos);
  EXPECT_NE(read_file(build_ / "pack.key").find("option cpus = 4\n"), std::string::npos);

  struct stat before;
  ASSERT_EQ(::stat(request_.output.c_str(), &before), 0);
  const PackOutcome second = make_pack(request_, store_);
  EXPECT_EQ(second.outcome, "unchanged");
  EXPECT_FALSE(second.replaced);
  struct stat after;
  ASSERT_EQ(::stat(request_.output.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);

  const std::string bytes = read_file(request_.output);
  fs::remove(request_.output);
  const PackOutcome third = make_pack(request_, store_);
  EXPECT_EQ(third.outcome, "stored");
  EXPECT_EQ(third.frames.compressed, 0u);
  EXPECT_EQ(read_file(request_.output), bytes);
}

TEST_F(PackStepTest, StoredPackNeedsNoContents) {
  make_pack(request_, store_);
  const std::string bytes = read_file(request_.output);
  fs::remove(request_.output);
  fs::remove_all(directory_.path() / "context");
  EXPECT_EQ(make_pack(request_, store_).outcome, "stored");
  EXPECT_EQ(read_file(request_.output), bytes);
}

TEST_F(PackStepTest, RebuiltPackWithTheSameBytesIsNotReplaced) {
  request_.records.clear();  // so that nothing but the bytes tells
  EXPECT_TRUE(make_pack(request_, store_).replaced);
  const std::string bytes = read_file(request_.output);
  store::Store other = store::Store::open(directory_.path() / "other");
  const PackOutcome again = make_pack(request_, other);
  EXPECT_EQ(again.outcome, "built");
  EXPECT_FALSE(again.replaced);

  std::string altered = bytes;
  altered.back() = static_cast<char>(altered.back() ^ 1);
  write_file(request_.output, altered, Durable::no);
  store::Store third = store::Store::open(directory_.path() / "third");
  EXPECT_TRUE(make_pack(request_, third).replaced);
  EXPECT_EQ(read_file(request_.output), bytes);
}

TEST_F(PackStepTest, AlteredOutputIsRewritten) {
  make_pack(request_, store_);
  const std::string bytes = read_file(request_.output);
  std::string altered = bytes;
  altered[10] = static_cast<char>(altered[10] ^ 1);
  write_file(request_.output, altered, Durable::no);
  EXPECT_EQ(make_pack(request_, store_).outcome, "stored");
  EXPECT_EQ(read_file(request_.output), bytes);
}

TEST_F(PackStepTest, TouchedOutputIsKept) {
  make_pack(request_, store_);
  touch(request_.output);
  const PackOutcome again = make_pack(request_, store_);
  EXPECT_EQ(again.outcome, "unchanged");
  EXPECT_FALSE(again.replaced);
}

TEST_F(PackStepTest, OptionsChangeTheKey) {
  const std::string first = make_pack(request_, store_).key;
  request_.options.cpus = 2;
  const PackOutcome second = make_pack(request_, store_);
  EXPECT_NE(first, second.key);
  EXPECT_EQ(second.reason, "changed");
  EXPECT_EQ(second.frames.compressed, 0u);  // only the manifest differs
  EXPECT_EQ(open_pack(request_.output).manifest.cpus, 2);
  request_.options.epoch = 1;
  EXPECT_NE(make_pack(request_, store_).key, second.key);
}

TEST_F(PackStepTest, FailureLeavesNoPartialFiles) {
  make_pack(request_, store_);
  const std::string bytes = read_file(request_.output);
  maker_.file("c", "third");
  save();
  fs::remove(directory_.path() / "context/c");
  EXPECT_THROW(make_pack(request_, store_), Error);
  EXPECT_EQ(read_file(request_.output), bytes);
  for (const fs::directory_entry& entry : fs::directory_iterator(build_))
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
}

TEST_F(PackStepTest, TheAgentComesFirst) {
  const fs::path agent = directory_.path() / "agent";
  make_directories(agent / "sbin");
  fs::create_symlink("/usr/local/bin/agent", agent / "sbin/init");
  write_file(agent / "tool", "#!\n", Durable::no);
  write_file(agent / ".smolvm-ready", "", Durable::no);
  fs::create_hard_link(agent / "tool", agent / "tool2");
  request_.runtime = agent.native();
  const PackOutcome first = make_pack(request_, store_);
  const VerifyReport report = verify_pack(open_pack(request_.output));
  ASSERT_EQ(report.members.size(), 3u);
  EXPECT_EQ(report.members[0].path, "agent-rootfs.tar");
  EXPECT_EQ(report.members[0].entries, 5u);  // root, sbin, init, tool, tool2
  EXPECT_EQ(open_pack(request_.output).manifest.agent_rootfs.size, report.members[0].size);
  EXPECT_TRUE(report.findings.notes.empty());

  // Times do not count, content does.
  touch(agent / "tool");
  EXPECT_EQ(make_pack(request_, store_).outcome, "unchanged");
  write_file(agent / "tool", "#!!\n", Durable::no);
  EXPECT_NE(make_pack(request_, store_).key, first.key);
}

TEST_F(PackStepTest, DirectoryWithoutInitIsRefused) {
  request_.runtime = directory_.path().native();
  EXPECT_THROW(make_pack(request_, store_), Error);
}

TEST_F(PackStepTest, MissingPlanIsAnError) {
  request_.plan_directory = directory_.path();
  EXPECT_THROW(make_pack(request_, store_), Error);
}

}  // namespace
}  // namespace bottle::pack
