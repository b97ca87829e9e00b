// SPDX-License-Identifier: Apache-2.0
#include "image/context/walk_cache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <string_view>

#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/parallel.hpp"
#include "util/path.hpp"

namespace bottle::image::context {

void WalkCache::take_record(std::vector<oci::Entry> entries) {
  nodes.reserve(entries.size() + entries.size() / 8);
  const auto add = [&](std::string path, mode_t mode) -> WalkNode& {
    const auto [found, is_new] = nodes.try_emplace(std::move(path));
    found->second.exists = true;
    found->second.mode = mode;
    if (const std::string& name = found->first; is_new && !name.empty())
      listings[std::string(oci::parent_path(name))].emplace_back(oci::base_name(name));
    return found->second;
  };
  add("", S_IFDIR | 0755);
  std::string known;  // directory
  for (oci::Entry& entry : entries) {
    const std::string_view parent = oci::parent_path(entry.path);
    if (parent != known) {
      for (std::size_t slash = parent.find('/'); slash != std::string_view::npos;
           slash = parent.find('/', slash + 1))
        if (std::string above(parent.substr(0, slash)); !nodes.contains(above))
          add(std::move(above), S_IFDIR | 0755);
      if (std::string above(parent); !nodes.contains(above)) add(std::move(above), S_IFDIR | 0755);
      known = parent;
    }
    const bool is_directory = entry.type == oci::EntryType::directory;
    WalkNode& node =
        add(std::move(entry.path), entry.mode | (is_directory                            ? S_IFDIR
                                                 : entry.type == oci::EntryType::symlink ? S_IFLNK
                                                                                         : S_IFREG));
    node.status.size = entry.size;
    node.link = entry.link;
    node.content = {entry.digest, std::move(entry.xattrs)};
  }
  for (auto& [directory, names] : listings)
    std::sort(names.begin(), names.end());
}

std::vector<std::string> WalkCache::names_in(const Fd& directory, const std::string& name) {
  const int copy = ::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(copy < 0 ? nullptr : ::fdopendir(copy), ::closedir);
  if (!stream) throw_errno("cannot read the directory", name);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view child = entry->d_name;
    if (child != "." && child != "..") names.emplace_back(child);
  }
  if (errno != 0) throw_errno("cannot read the directory", name);
  std::sort(names.begin(), names.end());
  return names;
}

namespace {

bool is_build_tree(const std::vector<WalkCache::Child>& children) {
  const auto found =
      std::lower_bound(children.begin(), children.end(), kBuildTreeFile,
                       [](const auto& child, std::string_view name) { return child.name < name; });
  return found != children.end() && found->name == kBuildTreeFile;
}

}  // namespace

bool WalkCache::is_named(const std::string& directory) const {
  const auto first = named.lower_bound(directory);
  return first != named.end() && is_within(*first, directory);
}

void WalkCache::look_ahead(int root, const std::string& root_name, const std::string& top) {
  std::vector<std::string> level{top};
  std::size_t count = 0;
  while (!level.empty()) {
    check_interrupted();
    std::vector<std::vector<Child>> found(level.size());
    std::vector<char> is_read(level.size());
    std::atomic<std::size_t> next{0};
    const auto work = [&](std::size_t) {
      for (std::size_t i = next++; i < level.size(); i = next++) {
        try {
          const Fd directory = open_beneath(root, level[i], O_RDONLY | O_DIRECTORY, root_name);
          for (std::string& name : names_in(directory, level[i])) {
            struct stat status {};
            if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) status = {};
            found[i].push_back({std::move(name), status.st_mode, FileStatus::of(status), status.st_rdev});
          }
          is_read[i] = 1;
        } catch (const Error&) {
          found[i].clear();
        }
      }
    };
    const std::size_t threads = level.size() < 8 ? 1 : std::min<std::size_t>(default_threads(), 4);
    if (threads == 1)
      work(0);
    else
      parallel_for(threads, threads, work);
    std::vector<std::string> below;
    for (std::size_t i = 0; i < level.size(); ++i) {
      if (is_read[i] == 0) continue;
      count += found[i].size();
      const bool ends = level[i] != top && is_build_tree(found[i]);
      for (const Child& child : found[i])
        if (!ends && S_ISDIR(child.mode) && !is_excluded(child.status))
          below.push_back(join_path(level[i], child.name));
      ahead[std::move(level[i])] = std::move(found[i]);
    }
    level = std::move(below);
  }
  nodes.reserve(nodes.size() + count + 1);
}

void WalkCache::remember(const std::string& directory, const Child& child) {
  if (child.mode == 0 || S_ISLNK(child.mode) || S_ISSOCK(child.mode)) return;
  std::string path = join_path(directory, child.name);
  if (S_ISDIR(child.mode)) {
    if (is_excluded(child.status)) return;
    const auto below = ahead.find(path);
    if (below == ahead.end() || is_build_tree(below->second)) return;
  }
  const auto [found, is_new] = nodes.try_emplace(std::move(path));
  if (!is_new) return;
  WalkNode& node = found->second;
  node.exists = true;
  node.mode = child.mode;
  node.status = child.status;
  node.device = child.device;
}

}  // namespace bottle::image::context
