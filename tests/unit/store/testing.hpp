// SPDX-License-Identifier: Apache-2.0
// What the store's tests share: a store in a temporary directory, and its files.
#pragma once

#include "store/layout.hpp"
#include "store/store.hpp"
#include "util/file.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>
#include <string>

namespace bottle::store {

class StoreTest : public testing::Test {
 protected:
  Store open() const { return Store::open(root()); }
  fs::path root() const { return directory_.path() / "store"; }
  Layout layout() const { return Layout(root()); }

  // An action of one output with this content.
  static Digest put_action(const Store& store, const std::string& name, const std::string& content) {
    ActionResult result;
    result.kind = "test";
    result.label = name;
    result.outputs["out"] = store.put(content);
    result.facts["crc32"] = "1234";
    result.tool_version = "0";
    const Digest key = sha256("key of " + name);
    store.put_action(key, result);
    return key;
  }

  static void set_times(const fs::path& path, std::time_t seconds_ago) {
    const std::time_t when = ::time(nullptr) - seconds_ago;
    const timespec times[2] = {{when, 0}, {when, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0) << path;
  }

  static void overwrite(const fs::path& path, const std::string& text) {
    fs::remove(path);
    write_file(path, text);
  }

  static std::size_t files_in(const fs::path& directory) {
    std::error_code error;
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory, error), fs::directory_iterator()));
  }

  TemporaryDirectory directory_;
};

// Runs `body` in a child process and gives its exit status, or 128 + the signal that ended it.
template <class Body>
int in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 99;
    try {
      status = body();
    } catch (...) {
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace bottle::store
