// SPDX-License-Identifier: Apache-2.0
#include "testing.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <ctime>

namespace bottle::image {

ImageTest::ImageTest() {
  ::unsetenv("SOURCE_DATE_EPOCH");
  fs::create_directory(context());
  fs::permissions(context(), fs::perms(0755));
}

ImageTest::~ImageTest() = default;

void ImageTest::write(const std::string& path, std::string_view content, mode_t mode) const {
  const fs::path file = context() / path;
  for (fs::path parent = file.parent_path(); !fs::exists(parent); parent = file.parent_path()) {
    while (!fs::exists(parent.parent_path()))
      parent = parent.parent_path();
    fs::create_directory(parent);
    fs::permissions(parent, fs::perms(0755));
  }
  // In place: a new file would have another inode, which is another change.
  const Fd descriptor(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  ASSERT_TRUE(descriptor) << file;
  write_all(descriptor.get(), content, file.native());
  ASSERT_EQ(::fchmod(descriptor.get(), mode), 0);
}

void ImageTest::link(const std::string& path, const std::string& target) const {
  fs::create_directories((context() / path).parent_path());
  fs::remove(context() / path);
  fs::create_symlink(target, context() / path);
}

void ImageTest::age(const fs::path& file, std::time_t seconds_ago) {
  const timespec when{::time(nullptr) - seconds_ago, 0};
  const timespec times[2] = {when, when};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << file;
}

BuildSpec ImageTest::spec() const {
  BuildSpec spec;
  spec.slug = "test";
  spec.context = context();
  spec.dockerfile = context() / "Dockerfile";
  spec.platform = "linux/amd64";
  spec.store = store_directory();
  spec.directory = directory() / "build";
  return spec;
}

BuildSpec ImageTest::spec_of(const std::string& name) const {
  BuildSpec spec = this->spec();
  spec.slug = name;
  spec.context = context() / name;
  spec.dockerfile = spec.context / "Dockerfile";
  spec.directory = directory() / "build" / name;
  return spec;
}

BuiltImage ImageTest::build(const BuildSpec& spec) const {
  const store::Store store = this->store();
  BuiltImage result;
  resolve::Resolved resolved = resolve::resolve_image(spec, store);
  run::IsolationChoice isolation(std::nullopt, store);
  result.image = builtin::build(
      resolved, store, isolation,
      [&](const builtin::StepReport& report) {
        (report.outcome == builtin::StepOutcome::executed ? result.executed : result.stored)
            .push_back(report.step.text);
      },
      [&](const std::string& text) { result.warnings.push_back(text); });
  return result;
}

LoadedPlan ImageTest::build_and_save(const BuildSpec& spec) const {
  fs::create_directories(spec.directory);
  const LoadedPlan image = build(spec).image;
  save_plan(image, spec.directory, store());
  return load_plan(spec.directory);
}

std::string ImageTest::content(const LoadedPlan& image, const std::string& path) const {
  const oci::MergedTree tree = image.merged();
  const auto* node = tree.find(path);
  if (node == nullptr) throw Error("the image has no " + path);
  std::string text(node->inode->size, '\0');
  image.reader(store()).read_verified(*node->inode, tree.roots(), std::as_writable_bytes(std::span(text)));
  return text;
}

std::map<std::string, std::string> ImageTest::files_of(const fs::path& root) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
    files[entry.path().lexically_relative(root).native()] =
        entry.is_directory() ? "directory" : read_file(entry.path());
  return files;
}

std::vector<std::string> paths_of(const LoadedPlan& image) {
  std::vector<std::string> paths;
  for (const oci::Entry& entry : image.merged().entries())
    if (!entry.path.empty()) paths.push_back(entry.path);
  return paths;
}

ScopedVariable::ScopedVariable(const char* name, const char* value) : name_(name) {
  if (const char* before = std::getenv(name)) before_ = before;
  ::setenv(name, value, 1);
}

ScopedVariable::~ScopedVariable() {
  if (before_)
    ::setenv(name_.c_str(), before_->c_str(), 1);
  else
    ::unsetenv(name_.c_str());
}

}  // namespace bottle::image
