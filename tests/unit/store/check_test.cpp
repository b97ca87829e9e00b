// SPDX-License-Identifier: Apache-2.0
#include "store/check.hpp"

#include "store/collect.hpp"
#include "testing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bottle::store {
namespace {

using Checks = StoreTest;

TEST_F(Checks, FiguresCountEverything) {
  const Store store = open();
  const Digest key = put_action(store, "one", "content");
  put_action(store, "two", "content");
  store.put("unnamed");
  store.register_root(directory_.path(), "image", {key});
  write_file(layout().temporaries() / "999999.0", "left");
  const Figures result = figures(root());
  EXPECT_EQ(result.blobs, 2u);
  EXPECT_EQ(result.blob_bytes, 14u);
  EXPECT_EQ(result.actions, 2u);
  EXPECT_EQ(result.kinds.at("test").actions, 2u);
  EXPECT_EQ(result.kinds.at("test").bytes, 14u);
  EXPECT_EQ(result.unreferenced_blobs, 1u);
  EXPECT_EQ(result.roots, 1u);
  EXPECT_EQ(result.temporaries, 1u);
  EXPECT_EQ(figures(directory_.path() / "none").blobs, 0u);
}

TEST_F(Checks, IntactStoreHasNoFindings) {
  const Store store = open();
  put_action(store, "one", "content");
  const Verification result = verify(store, root(), 2);
  EXPECT_TRUE(result.findings.empty());
  EXPECT_EQ(result.blobs, 1u);
  EXPECT_EQ(result.bytes, 7u);
  EXPECT_EQ(result.actions, 1u);
}

TEST_F(Checks, FindsAnAlteredBlobAndItsActions) {
  const Store store = open();
  const Digest key = put_action(store, "one", "content");
  const Digest good = put_action(store, "two", "other");
  overwrite(store.blob_path(sha256("content")), "CONTENT");
  testing::internal::CaptureStderr();
  const Verification result = verify(store, root(), 2);
  testing::internal::GetCapturedStderr();
  ASSERT_EQ(result.findings.size(), 2u);
  EXPECT_EQ(result.findings[0].kind, Finding::Kind::blob);
  EXPECT_EQ(result.findings[0].name, sha256("content").string());
  EXPECT_THAT(result.findings[0].problem, testing::HasSubstr(sha256("CONTENT").string()));
  EXPECT_TRUE(result.findings[0].dropped);
  EXPECT_EQ(result.findings[1].kind, Finding::Kind::action);
  EXPECT_EQ(store.find_action(key).presence, Presence::damaged);
  EXPECT_EQ(store.find_action(good).presence, Presence::present);
  EXPECT_TRUE(verify(store, root(), 2).findings.empty());
  EXPECT_EQ(figures(root()).damaged, 2u);
}

TEST_F(Checks, LeavesStrayFilesButNamesThem) {
  const Store store = open();
  store.put("content");
  const fs::path stray = store.blob_path(sha256("content")).parent_path() / "notes.txt";
  write_file(stray, "mine");
  write_file(layout().actions() / "file", "mine");
  const Verification result = verify(store, root(), 1);
  EXPECT_EQ(result.findings.size(), 2u);
  EXPECT_TRUE(fs::exists(stray));
}

TEST_F(Checks, VerifyDoesNotUpdateLastUse) {
  const Store store = open();
  const fs::path blob = store.blob_path(store.put("content").digest);
  set_times(blob, 5 * 86400);
  verify(store, root(), 1);
  struct stat status {};
  ASSERT_EQ(::stat(blob.c_str(), &status), 0);
  EXPECT_LE(status.st_atim.tv_sec, ::time(nullptr) - 5 * 86400);
}

}  // namespace
}  // namespace bottle::store
