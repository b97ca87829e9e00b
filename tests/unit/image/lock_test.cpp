// SPDX-License-Identifier: Apache-2.0
#include "image/model/lock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "image/lock_update.hpp"
#include "testing.hpp"

namespace bottle::image {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Digest digest_of(char digit) {
  return *Digest::from_hex(std::string(64, digit));
}

LockedManifest manifest_of(char digit, std::string_view type = oci::kManifestType) {
  return {.digest = digest_of(digit), .media_type = std::string(type), .size = 528};
}

Lock sample() {
  Lock lock;
  lock.sources["docker.io/library/debian:12"] =
      LockedImage{.tag = "12",
                  .index = manifest_of('1', oci::kIndexType),
                  .platforms = {{"linux/amd64", manifest_of('2')}, {"linux/arm64/v8", manifest_of('3')}}};
  lock.sources["https://host/file?x=1"] = LockedUrl{.digest = digest_of('4'), .size = 5};
  lock.sources["https://host/repo.git#v1"] = LockedGit{.commit = std::string(40, 'a'), .ref = "refs/tags/v1"};
  return lock;
}

TEST(LockTest, IsReadAsItIsWritten) {
  const std::string text = sample().serialize();
  EXPECT_EQ(Lock::parse(text, "bottle.lock"), sample());
  EXPECT_EQ(Lock::parse(text, "bottle.lock").serialize(), text);
  EXPECT_EQ(Lock::parse(Lock{}.serialize(), "bottle.lock"), Lock{});
}

// What a reviewer sees, and what git merges: a fact a line.
TEST(LockTest, HasOneFactALine) {
  Lock lock;
  lock.sources["https://host/file"] = LockedUrl{.digest = digest_of('4'), .size = 5};
  EXPECT_EQ(lock.serialize(),
            "{\n"
            "  \"schema\": 1,\n"
            "  \"sources\": {\n"
            "    \"https://host/file\": {\n"
            "      \"kind\": \"url\",\n"
            "      \"digest\": \"sha256:4444444444444444444444444444444444444444444444444444444444444444\",\n"
            "      \"size\": 5\n"
            "    }\n"
            "  }\n"
            "}\n");
}

TEST(LockTest, DamageIsNamedByItsPlace) {
  const std::string good = sample().serialize();
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) text.replace(at, from.size(), to);
    return error_of([&] { Lock::parse(text, "bottle.lock"); });
  };
  EXPECT_THAT(refused("\"schema\": 1", "\"schema\": 2"), HasSubstr("unsupported lock version 2"));
  EXPECT_THAT(refused("\"schema\": 1,", ""), HasSubstr("\"schema\""));
  EXPECT_THAT(refused("\"size\": 5\n", "\"size\": -5\n"),
              HasSubstr("bottle.lock#/sources/https:~1~1host~1file?x=1/size"));
  EXPECT_THAT(refused("\"size\": 528", "\"size\": 999999999999"), HasSubstr("/size"));
  EXPECT_THAT(refused("\"kind\": \"url\"", "\"kind\": \"file\""), HasSubstr("expected image, url or git"));
  EXPECT_THAT(refused("\"platforms\"", "\"platfroms\""), HasSubstr("did you mean \"platforms\"?"));
  EXPECT_THAT(refused(std::string(64, '2'), std::string(63, '2')),
              AllOf(HasSubstr("platforms/linux~1amd64/digest"), HasSubstr("sha256:")));
  EXPECT_THAT(refused(std::string(64, '2'), std::string(64, '0')),
              HasSubstr("platforms/linux~1amd64/digest"));
  EXPECT_THAT(refused("\"linux/amd64\"", "\"linux\""), HasSubstr("os/architecture"));
  EXPECT_THAT(refused("image.index.v1", "image.manifest.v1"), HasSubstr("an image index"));
  EXPECT_THAT(refused("image.manifest.v1", "image.layer.v1"), HasSubstr("an image manifest"));
  EXPECT_THAT(refused(std::string(40, 'a'), "main"), HasSubstr("/commit"));
  EXPECT_THAT(refused("refs/tags/v1\"", "v1\""), HasSubstr("HEAD or refs/"));
  EXPECT_THAT(refused("\"sources\": {", "\"sources\": ["), HasSubstr("bottle.lock"));
  EXPECT_THAT(refused("{\n", "<<<<<<< ours\n{\n"), HasSubstr("bottle.lock"));
  EXPECT_THAT(error_of([] { Lock::parse("[]", "bottle.lock"); }), HasSubstr("an object"));
  EXPECT_THAT(error_of([] { Lock::parse("", "bottle.lock"); }), HasSubstr("bottle.lock"));
}

// Every prefix, and every byte changed: an error or a lock, never anything else.
TEST(LockTest, SurvivesAnyDamage) {
  const std::string good = sample().serialize();
  for (std::size_t length = 0; length < good.size() - 1; ++length)
    EXPECT_NE(error_of([&] { Lock::parse(std::string_view(good).substr(0, length), "x"); }), "") << length;
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string text = good;
    text[at] = static_cast<char>(text[at] ^ 0x15);
    (void)error_of([&] { Lock::parse(text, "x"); });
  }
}

TEST(LockTest, FindsTheManifestOfAPlatform) {
  LockedImage image{.platforms = {{"linux/amd64", manifest_of('1')},
                                  {"linux/arm/v7", manifest_of('2')},
                                  {"linux/arm64/v8", manifest_of('3')}}};
  EXPECT_EQ(image.find({"linux", "amd64", ""})->digest, digest_of('1'));
  EXPECT_EQ(image.find({"linux", "arm64", ""})->digest, digest_of('3'));
  EXPECT_EQ(image.find({"linux", "arm", "v7"})->digest, digest_of('2'));
  EXPECT_EQ(image.find({"linux", "arm", "v6"}), nullptr);
  EXPECT_EQ(image.find({"linux", "arm", "v8"})->digest, digest_of('2')) << "falls back";
  EXPECT_EQ(image.find({"linux", "amd64", "v3"})->digest, digest_of('1'));
  EXPECT_EQ(image.find({"linux", "arm64", "v9"})->digest, digest_of('3'));
  EXPECT_EQ(image.find({"windows", "amd64", ""}), nullptr);
}

TEST(LockTest, PlatformsOfSeveralLayoutsAreJoined) {
  Lock lock;
  lock.put("x", LockedImage{.tag = "1", .platforms = {{"linux/amd64", manifest_of('1')}}});
  lock.put("x", LockedImage{.tag = "1", .platforms = {{"linux/arm64", manifest_of('2')}}});
  EXPECT_EQ(lock.find<LockedImage>("x")->platforms.size(), 2u);
  lock.put("x", LockedImage{.tag = "1", .platforms = {{"linux/arm64", manifest_of('3')}}});
  EXPECT_EQ(lock.find<LockedImage>("x")->platforms.at("linux/arm64").digest, digest_of('3'));
  // An index says everything.
  const LockedImage whole{.tag = "1",
                          .index = manifest_of('4', oci::kIndexType),
                          .platforms = {{"linux/arm64", manifest_of('5')}}};
  lock.put("x", whole);
  EXPECT_EQ(*lock.find<LockedImage>("x"), whole);
  EXPECT_EQ(lock.find<LockedUrl>("x"), nullptr);
}

TEST(LockTest, AgreesComparesTheContent) {
  const LockedImage both{.tag = "1",
                         .platforms = {{"linux/amd64", manifest_of('1')}, {"linux/arm64", manifest_of('2')}}};
  const LockedImage one{.tag = "1", .platforms = {{"linux/arm64", manifest_of('2')}}};
  const LockedImage other{.tag = "1", .platforms = {{"linux/arm64", manifest_of('3')}}};
  EXPECT_TRUE(agrees(both, one));
  EXPECT_FALSE(agrees(one, both));
  EXPECT_FALSE(agrees(both, other));
  EXPECT_FALSE(agrees(both, LockedUrl{.digest = digest_of('1'), .size = 1}));
  EXPECT_FALSE(
      agrees(LockedUrl{.digest = digest_of('1'), .size = 1}, LockedUrl{.digest = digest_of('2'), .size = 1}));
}

TEST(LockFileTest, WritesOnlyIfChanged) {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / kLockName;
  EXPECT_EQ(load_lock(file), Lock{});
  EXPECT_FALSE(change_lock(file, [](Lock&) {}));
  EXPECT_FALSE(fs::exists(file));
  EXPECT_TRUE(change_lock(file, [](Lock& lock) { lock = sample(); }));
  EXPECT_FALSE(change_lock(file, [](Lock& lock) { lock = sample(); }));
  EXPECT_EQ(load_lock(file), sample());
  EXPECT_THAT(error_of([&] { change_lock(file, [](Lock&) { throw Error("stop"); }); }), HasSubstr("stop"));
  EXPECT_EQ(load_lock(file), sample());
  // A damaged one is not written over.
  write_file(file, "{}");
  EXPECT_THAT(error_of([&] { change_lock(file, [](Lock& lock) { lock = sample(); }); }), HasSubstr("schema"));
  EXPECT_EQ(read_file(file), "{}");
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()), 1);
}

TEST(LockFileTest, ALinkStaysALink) {
  const TemporaryDirectory directory;
  fs::create_directory(directory.path() / "real");
  fs::create_symlink("real/bottle.lock", directory.path() / kLockName);
  EXPECT_TRUE(change_lock(directory.path() / kLockName, [](Lock& lock) { lock = sample(); }));
  EXPECT_TRUE(fs::is_symlink(directory.path() / kLockName));
  EXPECT_EQ(load_lock(directory.path() / "real" / kLockName), sample());
}

TEST(LockFileTest, NoUpdateIsLost) {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / kLockName;
  constexpr int kThreads = 4;
  constexpr int kEach = 8;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i)
        change_lock(file, [&](Lock& lock) {
          lock.put("https://host/" + std::to_string(thread) + "/" + std::to_string(i),
                   LockedUrl{.digest = digest_of('1'), .size = 1});
        });
    });
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(load_lock(file).sources.size(), std::size_t{kThreads * kEach});
}

}  // namespace
}  // namespace bottle::image
