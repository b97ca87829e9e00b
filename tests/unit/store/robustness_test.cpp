// SPDX-License-Identifier: Apache-2.0
// Many processes at once, a kill between any two system calls, a full disk, a store that cannot be written
// to.
#include "store/check.hpp"
#include "store/collect.hpp"
#include "testing.hpp"
#include "util/error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <grp.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#include <vector>

namespace bottle::store {
namespace {

using Robust = StoreTest;

TEST_F(Robust, ConcurrentPutsAndCollectionsAreSafe) {
  std::vector<pid_t> children;
  for (int process = 0; process < 6; ++process) {
    const pid_t child = ::fork();
    if (child == 0) {
      int status = 0;
      try {
        for (int round = 0; round < 40; ++round) {
          if (process == 0) {
            collect(root(), {.max_size = 500});
            continue;
          }
          const Store store = open();
          const std::string name = std::to_string(round % 10);
          const Digest key = put_action(store, name, std::string(100, name[0]));
          // No process collects while the store is open.
          if (store.find_action(key).presence != Presence::present) status = 1;
        }
      } catch (...) {
        status = 2;
      }
      ::_exit(status);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(verify(open(), root(), 1).findings.empty());
}

// Runs `body` in a child that is killed before its system call number `count`; false when it ended before
// that, nullopt when processes cannot be traced here.
template <class Body>
std::optional<bool> killed_at(int count, const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
    ::raise(SIGSTOP);
    try {
      body();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSTOPPED(status)) return std::nullopt;
  for (int stop = 0; stop < count; ++stop) {
    if (::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) != 0) return std::nullopt;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
      return false;
    }
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return true;
}

TEST_F(Robust, KillAtAnySystemCallLeavesAValidStore) {
  int kills = 0;
  // Two stops a system call: entry and exit.
  for (int count = 1;; ++count) {
    fs::remove_all(root());
    put_action(open(), "before", "content of before");
    const auto killed = killed_at(count, [&] { put_action(open(), "during", "content of during"); });
    if (!killed) GTEST_SKIP() << "processes cannot be traced here";
    const Store store = open();
    EXPECT_TRUE(verify(store, root(), 1).findings.empty()) << count;
    EXPECT_EQ(store.find_action(sha256("key of before")).presence, Presence::present) << count;
    const Presence during = store.find_action(sha256("key of during")).presence;
    EXPECT_TRUE(during == Presence::present || during == Presence::never) << count;
    put_action(store, "during", "content of during");
    EXPECT_EQ(store.find_action(sha256("key of during")).presence, Presence::present) << count;
    if (!*killed) break;
    ++kills;
  }
  EXPECT_GT(kills, 30);
  collect(root(), {});
  EXPECT_EQ(files_in(layout().temporaries()), 0u);
}

TEST_F(Robust, AKilledCollectionLeavesAValidStore) {
  for (int count = 1;; ++count) {
    fs::remove_all(root());
    for (const char* name : {"a", "b", "c"})
      put_action(open(), name, std::string("content of ") + name);
    const auto killed = killed_at(count, [&] { collect(root(), {.max_size = 0}); });
    if (!killed) GTEST_SKIP() << "processes cannot be traced here";
    for (const char* name : {"a", "b", "c"}) {
      const Presence presence = open().find_action(sha256(std::string("key of ") + name)).presence;
      EXPECT_TRUE(presence == Presence::present || presence == Presence::evicted) << count;
    }
    EXPECT_TRUE(verify(open(), root(), 1).findings.empty()) << count;
    if (!*killed) break;
    count += 2;  // every third is enough here
  }
}

TEST_F(Robust, FullDiskIsAnErrorWithoutPartialFiles) {
  put_action(open(), "before", "content");
  const int status = in_child([&] {
    // The closest to a full disk that needs no rights: writes past a file size fail.
    const rlimit limit{1 << 16, 1 << 16};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 77;
    const Store store = open();
    try {
      store.put(std::string(1 << 20, 'x'));
    } catch (const Error& error) {
      if (error.where() != root().native()) return 1;
      if (files_in(layout().temporaries()) != 0) return 2;
      return store.find_action(sha256("key of before")).presence == Presence::present ? 0 : 3;
    }
    return 4;
  });
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(open().find_blob(sha256(std::string(1 << 20, 'x'))));
}

TEST_F(Robust, ReadOnlyStoreServesAndKeepsNothing) {
  const Digest key = put_action(open(), "one", "content");
  const Digest damaged = put_action(open(), "two", "other");
  overwrite(layout().action(damaged), "{}");
  ::chmod(directory_.path().c_str(), 0755);
  for (const auto& entry : fs::recursive_directory_iterator(root()))
    fs::permissions(entry.path(), fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write,
                    fs::perm_options::remove);
  fs::permissions(root(), fs::perms::owner_write, fs::perm_options::remove);
  const int status = in_child([&] {
    // Permissions do not bind root.
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0))
      return 77;
    const Store store = open();
    const auto lookup = store.find_action(key);
    if (lookup.presence != Presence::present) return 1;
    if (read_file(*store.find_blob(lookup.result->outputs.at("out").digest)) != "content") return 2;
    if (store.find_action(damaged).presence != Presence::damaged) return 3;
    store.register_root("/", "image", {key});
    return 0;
  });
  EXPECT_TRUE(status == 0 || status == 77) << status;
  const int written = in_child([&] {
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0))
      return 77;
    fs::path scratch;
    {
      const Store store = open();
      scratch = store.directory();
      if (read_file(*store.find_blob(store.put("new").digest)) != "new") return 1;
      if (store.find_action(put_action(store, "two", "other")).presence != Presence::present) return 2;
      if (store.find_action(key).presence != Presence::present) return 3;
      const Digest content = sha256("content");
      store.drop_damaged_blob(content, "a test");
      if (store.find_blob(content)) return 4;
      if (store.find_action(key).presence == Presence::present) return 5;
      put_action(store, "one", "content");
      if (store.find_action(key).presence != Presence::present) return 6;
      Store::Writer writer(store);
      writer.write(std::as_bytes(std::span(std::string_view("parts"))));
      if (!store.find_blob(writer.commit().digest)) return 7;
    }
    return fs::exists(scratch) || scratch == root() ? 8 : 0;
  });
  EXPECT_TRUE(written == 0 || written == 77) << written;
  EXPECT_FALSE(fs::exists(layout().blob(sha256("new"))));
  fs::permissions(root(), fs::perms::owner_write, fs::perm_options::add);
  for (const auto& entry : fs::recursive_directory_iterator(root()))
    if (entry.is_directory()) fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
  if (status == 77) GTEST_SKIP() << "cannot become an ordinary user";
  EXPECT_EQ(status, 0);
}

// A store that another user filled without BOTTLE_CACHE_UMASK has two-digit directories of that user.
TEST_F(Robust, UnwritableDirectoryInsideKeepsNothing) {
  ::chmod(directory_.path().c_str(), 0755);
  open();
  for (const auto& entry : fs::recursive_directory_iterator(root()))
    ::chmod(entry.path().c_str(), 0777);
  ::chmod(root().c_str(), 0777);
  const Digest key = put_action(open(), "one", "content");  // its two directories belong to this user
  const Digest content = sha256("content");
  const Digest fresh = sha256("new");
  const fs::path fresh_directory = layout().blob(fresh).parent_path();
  fs::create_directories(fresh_directory);
  for (const fs::path& path :
       {fresh_directory, layout().blob(content).parent_path(), layout().action(key).parent_path()})
    ::chmod(path.c_str(), 0555);
  const int status = in_child([&] {
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0))
      return 77;
    const Store store = open();
    if (store.directory() != root()) return 1;
    if (read_file(*store.find_blob(store.put("new").digest)) != "new") return 2;
    if (store.put("new").size != 3) return 3;
    if (store.find_action(key).presence != Presence::present) return 4;
    store.drop_damaged_blob(content, "a test");
    if (store.find_blob(content) || store.find_action(key).presence == Presence::present) return 5;
    put_action(store, "one", "content");
    if (store.find_action(key).presence != Presence::present) return 6;
    Store::Writer writer(store);
    writer.write(std::as_bytes(std::span(std::string_view("content"))));
    if (read_file(*store.find_blob(writer.commit().digest)) != "content") return 7;
    // Other directories keep their results.
    return fs::exists(layout().blob(store.put("other").digest)) ? 0 : 8;
  });
  EXPECT_FALSE(fs::exists(layout().blob(fresh)));
  for (const auto& entry : fs::recursive_directory_iterator(root()))
    if (entry.is_directory()) ::chmod(entry.path().c_str(), 0755);
  EXPECT_TRUE(fs::exists(layout().blob(content)));
  EXPECT_TRUE(fs::is_empty(layout().temporaries()));
  if (status == 77) GTEST_SKIP() << "cannot become an ordinary user";
  EXPECT_EQ(status, 0);
}

// A RUN writes its layer in a process of its own, and keeps its trees in run/, snapshots/ and cache/.
TEST_F(Robust, UnwritableDirectoriesOfARunAreReplaced) {
  ::chmod(directory_.path().c_str(), 0755);
  open();
  for (const auto& entry : fs::recursive_directory_iterator(root()))
    ::chmod(entry.path().c_str(), 0777);
  ::chmod(root().c_str(), 0777);
  const fs::path fresh_directory = layout().blob(sha256("new")).parent_path();
  fs::create_directories(fresh_directory);
  fs::create_directories(root() / "snapshots" / "me");
  fs::create_directories(root() / "run");
  for (const fs::path& path : {fresh_directory, root() / "snapshots" / "me", root() / "snapshots"})
    ::chmod(path.c_str(), 0555);
  ::chmod((root() / "run").c_str(), 0777);
  const int status = in_child([&] {
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0))
      return 77;
    fs::path other;
    {
      const Store store = open();
      if (store.work_directory({"run", "cache/me"}) != root()) return 1;
      other = store.work_directory({"run", "snapshots/me/.locks"});
      if (other == root() || !fs::is_directory(other)) return 2;
      if (store.work_directory({"snapshots/you"}) != other) return 3;
      if (in_child([&] { return store.put("new").size == 3 ? 0 : 1; }) != 0) return 4;
      const auto blob = store.find_blob(sha256("new"));
      if (!blob || read_file(*blob) != "new") return 5;
    }
    return fs::exists(other) ? 6 : 0;
  });
  for (const auto& entry : fs::recursive_directory_iterator(root()))
    if (entry.is_directory()) ::chmod(entry.path().c_str(), 0755);
  if (status == 77) GTEST_SKIP() << "cannot become an ordinary user";
  EXPECT_EQ(status, 0);
}

TEST_F(Robust, DeletedStoreIsRecreated) {
  const Store store = open();
  store.put("content");
  fs::remove_all(root());
  EXPECT_FALSE(store.find_blob(sha256("content")));
  EXPECT_EQ(store.find_action(sha256("key")).presence, Presence::never);
  const Digest key = put_action(store, "one", "content");
  EXPECT_EQ(open().find_action(key).presence, Presence::present);
}

}  // namespace
}  // namespace bottle::store
