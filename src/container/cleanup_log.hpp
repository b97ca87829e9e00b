// SPDX-License-Identifier: Apache-2.0
// What a build has put into an engine and must take out again, written down before it is there: so a build
// that was killed is cleaned up by the next one in the same build directory.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "util/file.hpp"

namespace bottle::container {

// The file `engine.left` in a build directory. The caller holds the directory's lock.
//
// Cleaning up never fails a build. A program that does not answer in time is ended and not asked again by
// this object; what it could not take out stays noted for the next build, and `warn` hears of it.
class CleanupLog {
 public:
  static constexpr const char* kFile = "engine.left";
  // Given to the builds of Podman and Buildah, which keep it with each container that they work in: the only
  // thing about such a container that says whose it is.
  static constexpr const char* kBuilderArgument = "BOTTLE_BUILD_DIRECTORY";

  // Takes out what a killed build left. What cannot be taken out (its engine cannot be reached) stays noted.
  // `locks` is a directory that the builds of this user share, the store's: see lock(). Empty: no other build
  // is expected to have the same images.
  explicit CleanupLog(fs::path build_directory, std::function<void(const std::string&)> warn = {},
                      fs::path locks = {});
  // Takes out what this one has noted, also after an error or an interrupt.
  ~CleanupLog();
  CleanupLog(CleanupLog&&) = delete;

  // Before the image gets this name in the engine of this program.
  void note_image(const std::string& program, const std::string& name);
  // Before containers with this label ("name=value") are created.
  void note_containers(const std::string& program, const std::string& label);
  // Before `podman build` or `buildah build` works with `temporary`, a directory in the build directory, as
  // its $TMPDIR, and with the build argument above.
  void note_builder(const std::string& program, const fs::path& temporary);
  // Before a client of Docker's is started with client_mark() in its environment. It may do its work in a
  // plug-in, a separate process, which continues when the client is killed.
  void note_client(const std::string& program);
  // That build has succeeded, so nothing of it is left.
  void forget_builder();

  // To be held while an image is loaded. Podman and Buildah take an image away whose only name they remove,
  // also when another process is about to give it a second one: so this object removes names under this lock.
  // Docker's daemon does that right by itself; there it is nullopt.
  std::optional<FileLock> lock(const std::string& program) const;

  // The value of the build argument.
  static std::string builder_id(const fs::path& build_directory);
  // A "NAME=value" line of the environment that tells this build directory's clients from others.
  static std::string client_mark(const fs::path& build_directory);
  // How long a program has for each thing that it is to take out: 30 s, or the whole number of seconds in
  // $BOTTLE_CLEANUP_SECONDS.
  static std::chrono::milliseconds time_limit();

 private:
  struct Item {
    std::string program;
    std::string kind;  // "image", "containers", "builder" or "client"
    std::string
        name;  // of a builder its temporary directory, relative to the build directory; a client's mark
  };
  fs::path lock_file(const std::string& program) const;  // empty: none is needed
  void note(Item item);
  void remove_all() noexcept;
  bool remove(const Item& item);
  bool remove_image(const Item& item);
  bool remove_containers(const Item& item);
  bool remove_runtime_containers(const Item& item);
  bool remove_builder(const Item& item);
  // The output of a command that succeeded; nullopt otherwise.
  std::optional<std::string> ask(const std::vector<std::string>& words);
  void write() const;

  fs::path directory_;
  fs::path file_;
  fs::path locks_;
  std::function<void(const std::string&)> warn_;
  std::vector<Item> items_;
  std::string builder_;           // the name of the running one
  std::set<std::string> silent_;  // programs that did not answer in time
  std::string message_;           // of the last command that failed
};

// Takes out what a killed build in this directory has left in engines; starts nothing if that is nothing. The
// caller holds the directory's lock.
void remove_leftovers(const fs::path& build_directory,
                      const std::function<void(const std::string&)>& warn = {}, const fs::path& locks = {});

}  // namespace bottle::container
