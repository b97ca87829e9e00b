// SPDX-License-Identifier: Apache-2.0
// What the tests of src/image share: a context, a store and a separate build directory for each test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "image/builtin/build.hpp"
#include "image/model/plan.hpp"
#include "image/model/spec.hpp"
#include "image/resolve/resolve.hpp"
#include "store/store.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

namespace bottle::image {

// What an image build did, instruction by instruction.
struct BuiltImage {
  LoadedPlan image;
  std::vector<std::string> executed;  // texts of the instructions, in order
  std::vector<std::string> stored;
  std::vector<std::string> warnings;
};

class ImageTest : public ::testing::Test {
 protected:
  ImageTest();
  ~ImageTest() override;

  fs::path directory() const { return directory_.path(); }
  fs::path context() const { return directory() / "context"; }
  fs::path store_directory() const { return directory() / "store"; }
  store::Store store() const { return store::Store::open(store_directory()); }

  // A file of the context, with the directories above it; modes do not depend on the umask.
  void write(const std::string& path, std::string_view content, mode_t mode = 0644) const;
  void link(const std::string& path, const std::string& target) const;
  void remove(const std::string& path) const { fs::remove_all(context() / path); }
  void dockerfile(std::string_view text) const { write("Dockerfile", text); }
  // The time of last change (and with it of the stat cache's window) lies in the past.
  static void age(const fs::path& file, std::time_t seconds_ago = 1000);

  // The context, the Dockerfile in it, linux/amd64.
  BuildSpec spec() const;
  // Another bottle: its context and build directory lie below `name`.
  BuildSpec spec_of(const std::string& name) const;
  std::string key_text(const BuildSpec& spec) const {
    return resolve::key_text(resolve::resolve_image(spec, store()));
  }
  std::string key_text() const { return key_text(spec()); }
  BuiltImage build(const BuildSpec& spec) const;
  BuiltImage build() const { return build(spec()); }
  // Builds and saves the plan in spec.directory, as bottle-image does.
  LoadedPlan build_and_save(const BuildSpec& spec) const;
  // The content of a file of the image, read through the places.
  std::string content(const LoadedPlan& image, const std::string& path) const;
  // The paths of a file tree below a directory, sorted, with what files hold.
  static std::map<std::string, std::string> files_of(const fs::path& root);

 private:
  TemporaryDirectory directory_;
};

// The paths of the merged tree, without the root.
std::vector<std::string> paths_of(const LoadedPlan& image);

// "" if it throws no Error.
template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

// A variable of the environment, for as long as this lives.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value);
  ~ScopedVariable();
  ScopedVariable(ScopedVariable&&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

}  // namespace bottle::image
