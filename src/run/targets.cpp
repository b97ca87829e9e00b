// SPDX-License-Identifier: Apache-2.0
#include "run/targets.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::run {
namespace {

constexpr int kMaximumLinks = 255;  // as oci::MergedTree::resolve()

// What a link says; nullopt if it is not one, or nothing is there.
std::optional<std::string> link_at(const fs::path& path) {
  std::array<char, PATH_MAX> text;
  const ssize_t size = ::readlink(path.c_str(), text.data(), text.size());
  if (size >= 0) return std::string(text.data(), static_cast<std::size_t>(size));
  if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw_errno("cannot read", path.native());
}

// `place_of` gives the path on the disk of a path that is resolved, or nullopt where there cannot be a link.
std::string follow(std::string_view path,
                   const std::function<std::optional<fs::path>(const std::string&)>& place_of) {
  std::vector<std::string> rest;  // the next part last
  const auto add = [&](const std::string& text) {
    const auto parts = path_components(text);
    for (auto part = parts.rbegin(); part != parts.rend(); ++part)
      rest.emplace_back(*part);
  };
  add(path_in_root(path));
  std::string resolved;
  int links = 0;
  while (!rest.empty()) {
    const std::string part = std::move(rest.back());
    rest.pop_back();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      const std::size_t slash = resolved.rfind('/');
      resolved.erase(slash == std::string::npos ? 0 : slash);
      continue;
    }
    std::string next = join_path(resolved, part);
    const auto place = place_of(next);
    const auto link = place ? link_at(*place) : std::nullopt;
    if (!link) {
      resolved = std::move(next);
      continue;
    }
    if (++links > kMaximumLinks)
      throw Error(fmt::format("cannot mount on {}: too many levels of symbolic links", path));
    if (link->starts_with('/')) resolved.clear();
    add(*link);
  }
  return resolved;
}

bool is_in_system_directory(std::string_view path) {
  const auto& points = system_mount_points();
  return std::any_of(points.begin(), points.end(),
                     [&](const std::string& point) { return is_within(path, path_in_root(point)); });
}

void check_system_directories(const fs::path& root) {
  for (const std::string& point : system_mount_points()) {
    const fs::path place = root / path_in_root(point);
    struct stat status {};
    if (::lstat(place.c_str(), &status) != 0 || S_ISDIR(status.st_mode)) continue;
    const auto link = link_at(place);
    throw Error(fmt::format("cannot mount on {}: expected a directory in the image, found {}", point,
                            link ? "a symbolic link to \"" + *link + "\"" : "a file of another type"),
                {.hint = fmt::format("create {} as an empty directory in the base image, or remove it there",
                                     point)});
  }
}

// The path on the disk: in the last mount that shows it, else in the root.
std::optional<fs::path> place_of(const fs::path& root, std::span<const BundleMount> mounts,
                                 const std::string& path) {
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    const std::string target = path_in_root(mount->target);
    if (!is_within(path, target)) continue;
    if (mount->type != "bind") return std::nullopt;  // new, so empty
    if (path == target) return fs::path(mount->source);
    return fs::path(mount->source) / path.substr(target.size() + 1);
  }
  if (is_in_system_directory(path)) return std::nullopt;
  return root / path;
}

}  // namespace

std::string resolve_in_root(const fs::path& root, std::string_view path) {
  return follow(path, [&](const std::string& found) { return std::optional(root / found); });
}

void settle_targets(Bundle& bundle) {
  check_system_directories(bundle.root);
  std::vector<BundleMount> settled;
  for (BundleMount& mount : bundle.mounts) {
    const std::string target =
        follow(mount.target, [&](const std::string& path) { return place_of(bundle.root, settled, path); });
    const bool is_led = target != path_in_root(mount.target) && is_in_system_directory(target);
    if (is_led && mount.gives_way) continue;
    if (is_led || target.empty())
      throw Error(fmt::format("cannot mount on {}: it resolves to /{}", mount.target, target),
                  {.hint = "choose a target that is not the root and not a link into /proc, /dev or /sys"});
    mount.target = "/" + target;
    settled.push_back(std::move(mount));
  }
  bundle.mounts = std::move(settled);
}

}  // namespace bottle::run
