// SPDX-License-Identifier: Apache-2.0
#include "store/store.hpp"

#include "testing.hpp"
#include "util/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <grp.h>

#include <cstdlib>

namespace bottle::store {
namespace {

using testing::HasSubstr;

// Sets or unsets a variable of the environment for the life time of the object.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  ~Environment() { set(old_ ? old_->c_str() : nullptr); }
  Environment(const Environment&) = delete;

 private:
  void set(const char* value) const { value != nullptr ? ::setenv(name_, value, 1) : ::unsetenv(name_); }
  const char* name_;
  std::optional<std::string> old_;
};

TEST(DefaultDirectory, FollowsTheEnvironment) {
  const Environment home("HOME", "/home/x");
  const Environment cache("XDG_CACHE_HOME", nullptr);
  const Environment own("BOTTLE_CACHE_DIR", nullptr);
  EXPECT_EQ(Store::default_directory(), "/home/x/.cache/bottle");
  {
    const Environment relative("XDG_CACHE_HOME", "relative");  // to be ignored
    EXPECT_EQ(Store::default_directory(), "/home/x/.cache/bottle");
  }
  const Environment absolute("XDG_CACHE_HOME", "/cache");
  EXPECT_EQ(Store::default_directory(), "/cache/bottle");
  const Environment chosen("BOTTLE_CACHE_DIR", "/own");
  EXPECT_EQ(Store::default_directory(), "/own");
}

TEST(DefaultDirectory, WithoutHomeReadsTheUserDatabase) {
  const Environment cache("XDG_CACHE_HOME", nullptr);
  const Environment own("BOTTLE_CACHE_DIR", nullptr);
  const Environment home("HOME", nullptr);
  try {
    EXPECT_TRUE(Store::default_directory().is_absolute());
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("HOME is not set"));
    EXPECT_THAT(error.hint(), HasSubstr("BOTTLE_CACHE_DIR"));
  }
}

TEST(DefaultDirectory, ImpossiblePlaceNamesTheVariable) {
  try {
    Store::open("/proc/nothing/here");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.where(), HasSubstr("/proc/nothing"));
    EXPECT_THAT(error.hint(), HasSubstr("BOTTLE_CACHE_DIR"));
  }
}

using Permissions = StoreTest;

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

TEST_F(Permissions, DefaultStoreIsPrivate) {
  const int status = in_child([&] {
    ::umask(022);
    ::unsetenv("BOTTLE_CACHE_DIR");
    ::setenv("XDG_CACHE_HOME", directory_.path().c_str(), 1);
    const fs::path place = directory_.path() / "bottle";
    Store::open();
    if (mode_of(place) != 0700) return 1;
    ::chmod(place.c_str(), 0755);  // as earlier versions made it
    Store::open();
    if (mode_of(place) != 0700) return 2;
    ::setenv("BOTTLE_CACHE_UMASK", "027", 1);
    ::chmod(place.c_str(), 0750);
    Store::open();
    return mode_of(place) == 0750 ? 0 : 3;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(Permissions, GroupCanWriteToASharedStore) {
  const int status = in_child([&] {
    ::umask(077);
    ::setenv("BOTTLE_CACHE_UMASK", "002", 1);
    const Store store = open();
    const Digest key = put_action(store, "one", "content");
    for (const fs::path& path :
         {root(), layout().blobs(), layout().blob(sha256("content")).parent_path(), layout().actions(),
          layout().temporaries(), root() / "snapshots", root() / "roots"})
      if (mode_of(path) != 0775) return 1;
    if (mode_of(layout().action(key)) != 0664 || mode_of(layout().blob(sha256("content"))) != 0444) return 2;
    if (mode_of(layout().lock()) != 0664) return 3;
    ::setenv("BOTTLE_CACHE_UMASK", "9", 1);
    try {
      open();
    } catch (const Error& error) {
      return error.where() == "BOTTLE_CACHE_UMASK" ? 0 : 4;
    }
    return 5;
  });
  EXPECT_EQ(status, 0);
}

// Members of a group take turns, whatever their own umask is.
TEST_F(Permissions, TwoUsersWriteToOneStore) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become two users";
  ::chmod(directory_.path().c_str(), 0777);
  const auto as_user = [&](uid_t user, const std::string& name) {
    return in_child([&] {
      ::umask(077);
      ::setenv("BOTTLE_CACHE_UMASK", "002", 1);
      if (::setgroups(0, nullptr) != 0 || ::setgid(12345) != 0 || ::setuid(user) != 0) return 1;
      const Store store = open();
      if (store.directory() != root()) return 2;
      for (int i = 0; i < 20; ++i)
        put_action(store, name + std::to_string(i), name + std::to_string(i));
      store.drop_damaged_blob(sha256("first0"), "a test");
      return store.find_blob(sha256("first0")) ? 3 : 0;
    });
  };
  EXPECT_EQ(as_user(12001, "first"), 0);
  EXPECT_EQ(as_user(12002, "second"), 0);
  EXPECT_EQ(as_user(12001, "third"), 0);
}

using Stores = StoreTest;

TEST_F(Stores, IsMarkedAsACache) {
  open();
  EXPECT_TRUE(
      read_file(root() / "CACHEDIR.TAG").starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
}

TEST_F(Stores, BlobsAreReadOnlyAndFoundByContent) {
  const Store store = open();
  const Output output = store.put("content");
  EXPECT_EQ(output.digest, sha256("content"));
  EXPECT_EQ(output.size, 7u);
  const auto path = store.find_blob(output.digest);
  ASSERT_TRUE(path);
  EXPECT_EQ(*path, store.blob_path(output.digest));
  EXPECT_EQ(read_file(*path), "content");
  struct stat status {};
  ASSERT_EQ(::stat(path->c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0222u, 0u);
  EXPECT_FALSE(store.find_blob(sha256("other")));
  EXPECT_EQ(store.put("").size, 0u);
  EXPECT_TRUE(store.find_blob(sha256("")));
}

TEST_F(Stores, BlobsMayBeWrittenInPartsOrFromAFile) {
  const Store store = open();
  Store::Writer writer(store);
  writer.write(std::as_bytes(std::span(std::string_view("con"))));
  writer.write(std::as_bytes(std::span(std::string_view("tent"))));
  EXPECT_EQ(writer.size(), 7u);
  EXPECT_EQ(writer.commit(sha256("content")).digest, sha256("content"));
  const std::string large(700000, 'x');
  write_file(directory_.path() / "large", large);
  EXPECT_EQ(store.put_file(directory_.path() / "large").digest, sha256(large));
  EXPECT_EQ(files_in(layout().temporaries()), 0u);
}

TEST_F(Stores, WrongContentIsNotStored) {
  const Store store = open();
  {
    Store::Writer writer(store);
    writer.write(std::as_bytes(std::span(std::string_view("altered"))));
    try {
      writer.commit(sha256("content"));
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), HasSubstr(sha256("content").string()));
      EXPECT_THAT(error.message(), HasSubstr(sha256("altered").string()));
    }
  }
  EXPECT_FALSE(store.find_blob(sha256("content")));
  EXPECT_FALSE(store.find_blob(sha256("altered")));
  EXPECT_EQ(files_in(layout().temporaries()), 0u);
}

TEST_F(Stores, PutRepairsAnAlteredBlob) {
  const Store store = open();
  const Output output = store.put("content");
  overwrite(store.blob_path(output.digest), "CONTENT");
  store.put("content");
  EXPECT_EQ(read_file(*store.find_blob(output.digest)), "content");
}

TEST_F(Stores, ActionsSurviveARoundTrip) {
  const Store store = open();
  ActionResult result;
  result.kind = "frame";
  result.label = "a \"label\"\nof two lines";
  result.outputs["frame"] = store.put("one");
  result.outputs["other"] = store.put("two");
  result.facts["crc32"] = "99";
  result.tool_version = "1.2";
  result.milliseconds = 17;
  store.put_action(sha256("key"), result);
  const Store::Lookup lookup = open().find_action(sha256("key"));
  ASSERT_EQ(lookup.presence, Presence::present);
  EXPECT_EQ(lookup.result->kind, result.kind);
  EXPECT_EQ(lookup.result->label, result.label);
  EXPECT_EQ(lookup.result->outputs.at("other").digest, sha256("two"));
  EXPECT_EQ(lookup.result->outputs.at("other").size, 3u);
  EXPECT_EQ(lookup.result->facts, result.facts);
  EXPECT_EQ(lookup.result->tool_version, "1.2");
  EXPECT_EQ(lookup.result->milliseconds, 17u);
  EXPECT_EQ(store.find_action(sha256("unknown")).presence, Presence::never);
}

TEST_F(Stores, DamagedActionIsDroppedAndRecorded) {
  const Digest key = put_action(open(), "one", "content");
  const fs::path path = layout().action(key);
  std::string text = read_file(path);
  text[text.find("1234")] = '9';
  overwrite(path, text);
  testing::internal::CaptureStderr();
  const Store store = open();
  const Store::Lookup first = store.find_action(key);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("warning: action"));
  EXPECT_EQ(first.presence, Presence::damaged);
  EXPECT_FALSE(first.result);
  EXPECT_THAT(first.detail, HasSubstr("checksum"));
  EXPECT_FALSE(fs::exists(path));
  const Store::Lookup second = open().find_action(key);
  EXPECT_EQ(second.presence, Presence::damaged);
  EXPECT_THAT(second.detail, HasSubstr("checksum"));
  put_action(store, "one", "content");
  EXPECT_EQ(store.find_action(key).presence, Presence::present);
  EXPECT_FALSE(fs::exists(layout().tombstone(key)));
}

// What a power failure leaves of a blob that was not flushed.
TEST_F(Stores, ShortBlobIsDroppedAndRecorded) {
  const Store store = open();
  const Digest key = put_action(store, "one", "content");
  overwrite(store.blob_path(sha256("content")), "");
  testing::internal::CaptureStderr();
  const Store::Lookup lookup = store.find_action(key);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("0 bytes found, 7 expected"));
  EXPECT_EQ(lookup.presence, Presence::damaged);
  EXPECT_FALSE(store.find_blob(sha256("content")));
  EXPECT_EQ(store.find_action(key).presence, Presence::damaged);
  store.put("content");
  EXPECT_EQ(store.find_action(key).presence, Presence::present);
}

TEST_F(Stores, ADeletedBlobCountsAsEvicted) {
  const Store store = open();
  const Digest key = put_action(store, "one", "content");
  fs::remove(store.blob_path(sha256("content")));
  const Store::Lookup lookup = store.find_action(key);
  EXPECT_EQ(lookup.presence, Presence::evicted);
  EXPECT_THAT(lookup.detail, HasSubstr(sha256("content").string()));
}

TEST_F(Stores, DamageIsReportedOnce) {
  const Store store = open();
  const Output output = store.put("content");
  testing::internal::CaptureStderr();
  store.drop_damaged_blob(output.digest, "CRC-32 is wrong");
  store.drop_damaged_blob(output.digest, "CRC-32 is wrong");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("CRC-32"), text.rfind("CRC-32"));
  EXPECT_FALSE(store.find_blob(output.digest));
}

TEST_F(Stores, LastUseIsRecordedOnceADayWithoutTouchingBlobs) {
  const Store store = open();
  const Digest key = put_action(store, "one", "content");
  const fs::path blob = store.blob_path(sha256("content"));
  const fs::path action = layout().action(key);
  struct stat status {};

  set_times(action, 3600);
  ASSERT_EQ(store.find_action(key).presence, Presence::present);
  ASSERT_EQ(::stat(action.c_str(), &status), 0);
  EXPECT_LE(status.st_mtim.tv_sec, ::time(nullptr) - 3600);

  set_times(action, 3 * 86400);
  ASSERT_EQ(store.find_action(key).presence, Presence::present);
  ASSERT_EQ(::stat(action.c_str(), &status), 0);
  EXPECT_GE(status.st_mtim.tv_sec, ::time(nullptr) - 60);

  set_times(blob, 3 * 86400);
  ASSERT_TRUE(store.find_blob(sha256("content")));
  ASSERT_EQ(::stat(blob.c_str(), &status), 0);
  EXPECT_GE(status.st_atim.tv_sec, ::time(nullptr) - 60);
  EXPECT_LE(status.st_mtim.tv_sec, ::time(nullptr) - 3 * 86400);
}

}  // namespace
}  // namespace bottle::store
