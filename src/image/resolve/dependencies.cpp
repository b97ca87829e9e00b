// SPDX-License-Identifier: Apache-2.0
// What the depfile names: all that was read, and the directories in which something else may take its place.
#include <algorithm>
#include <iterator>
#include <system_error>

#include "image/context/path_links.hpp"
#include "image/context/stat_cache.hpp"
#include "image/resolve/resolved.hpp"
#include "util/path.hpp"

namespace bottle::image::resolve {
namespace {

fs::path real_path(const fs::path& path) {
  std::error_code error;
  fs::path real = fs::weakly_canonical(path, error);
  return error ? path : real;
}

// A file that is replaced by an older one, or a link that leads elsewhere, changes the time of a directory
// and nothing else.
class Dependencies {
 public:
  // Directories upwards count as far as they lie in `project`, and never in `excludes`, the build trees: what
  // is made there is known to the build tool, and their times change in every build.
  Dependencies(const fs::path& project, const std::vector<fs::path>& excludes)
      : project_(real_path(project).native()) {
    for (const fs::path& exclude : excludes)
      excludes_.push_back(real_path(exclude).native());
  }

  void add(const fs::path& path) {
    struct stat status {};
    const bool is_there = ::stat(path.c_str(), &status) == 0;
    const auto mtime_ns =
        is_there ? context::FileStatus::of(status).mtime_ns : context::Dependency{}.mtime_ns;
    found_.push_back({path.native(), mtime_ns});
    // A build tool follows a link; a record of inputs (input_record.hpp) looks at the link itself.
    if (is_there && fs::is_symlink(fs::symlink_status(path)))
      found_.push_back({real_path(path).native(), mtime_ns});
  }

  // What the specification names, by any path.
  void add_surroundings(const fs::path& path) {
    for (const std::string& directory : context::link_directories(path.native()))
      add(directory);
    const fs::path real = real_path(path);
    std::error_code error;
    bool is_wanted = !fs::is_directory(real, error);
    for (fs::path directory = real.parent_path(); directory.has_relative_path() || is_wanted;
         directory = directory.parent_path()) {
      if ((!is_wanted && !is_within(directory.native(), project_)) || is_excluded(directory)) break;
      add(directory);
      is_wanted = false;
    }
  }

  bool is_excluded(const fs::path& path) const {
    const fs::path real = real_path(path);
    return std::any_of(excludes_.begin(), excludes_.end(),
                       [&](const std::string& exclude) { return is_within(real.native(), exclude); });
  }

  std::vector<context::Dependency> take() {
    std::sort(found_.begin(), found_.end());
    return std::move(found_);
  }

 private:
  std::string project_;
  std::vector<std::string> excludes_;
  std::vector<context::Dependency> found_;
};

}  // namespace

std::vector<context::Dependency> dependencies(const Resolved& resolved) {
  Dependencies own(lock_file(resolved.spec).parent_path(), resolved.spec.excludes);
  for (const fs::path& path : resolved.lock_files)
    own.add(path);
  if (!resolved.lock_files.empty()) own.add_surroundings(lock_file(resolved.spec));
  for (const fs::path& path : resolved.files) {
    own.add(path);
    own.add_surroundings(path);
  }
  for (const fs::path& path : resolved.plans) {
    own.add(path);
    if (!own.is_excluded(path)) own.add_surroundings(path);
  }
  for (const auto& [name, open] : resolved.scans)
    for (const fs::path& root : open.scan->named_paths())
      if (!open.scan->holds_files() || !own.is_excluded(root)) own.add_surroundings(root);
  std::vector<context::Dependency> found = own.take();
  for (const auto& [name, open] : resolved.scans) {
    std::vector<context::Dependency> more = open.scan->dependencies();
    const auto middle = static_cast<std::ptrdiff_t>(found.size());
    found.insert(found.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    std::inplace_merge(found.begin(), found.begin() + middle, found.end());
  }
  context::remove_repeated(found);
  return found;
}

std::vector<std::string> dependency_paths(const Resolved& resolved) {
  std::vector<std::string> paths;
  for (context::Dependency& dependency : dependencies(resolved))
    paths.push_back(std::move(dependency.path));
  return paths;
}

}  // namespace bottle::image::resolve
