// SPDX-License-Identifier: Apache-2.0
#include "image/context/path_links.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <deque>
#include <filesystem>
#include <system_error>

#include "util/path.hpp"

namespace bottle::image::context {
namespace {

constexpr int kMostLinks = 40;  // as Linux: path_resolution(7)

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

void put_before(std::deque<std::string>& names, const std::string& path) {
  std::size_t place = 0;
  for (const std::string_view name : path_components(path))
    names.emplace(names.begin() + static_cast<std::ptrdiff_t>(place++), name);
}

}  // namespace

PathLinks links_on(const std::string& path) {
  PathLinks found;
  std::deque<std::string> names;
  put_before(names, path);
  std::string at = "/";  // never has a link in it
  while (!names.empty()) {
    const std::string name = std::move(names.front());
    names.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      at = parent_of(at);
      continue;
    }
    std::string next = at == "/" ? "/" + name : at + "/" + name;
    struct stat status {};
    if (::lstat(next.c_str(), &status) != 0) {
      if (errno == ENOENT) found.missing = std::move(next);
      return found;
    }
    if (!S_ISLNK(status.st_mode)) {
      at = std::move(next);
      continue;
    }
    if (found.links.size() == kMostLinks) return found;
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(next, error).native();
    if (error) return found;
    found.links.push_back(std::move(next));
    put_before(names, target);
    if (target.starts_with('/')) at = "/";
  }
  return found;
}

std::vector<std::string> link_directories(const std::string& path) {
  const PathLinks found = links_on(path);
  std::vector<std::string> directories;
  for (const std::string& link : found.links)
    directories.push_back(parent_of(link));
  if (!found.missing.empty()) directories.push_back(parent_of(found.missing));
  return directories;
}

std::vector<std::string> surroundings(const std::string& path) {
  std::vector<std::string> directories = link_directories(path);
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  if (!error) directories.push_back(parent_of(real.native()));
  return directories;
}

}  // namespace bottle::image::context
