// SPDX-License-Identifier: Apache-2.0
#include "store/layout.hpp"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "util/error.hpp"
#include "util/json.hpp"
#include "util/obstacle.hpp"
#include "util/replace.hpp"

namespace bottle::store {
namespace {

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  fs::directory_iterator iterator(folder, error);
  if (error == std::errc::no_such_file_or_directory) return entries;
  for (; !error && iterator != fs::directory_iterator(); iterator.increment(error))
    entries.push_back(iterator->path());
  if (error) throw_errno("cannot list the directory", folder.native(), error.value());
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace

fs::path Layout::fanned(std::string_view folder, const Digest& id) const {
  const std::string hex = id.hex();
  std::string path;
  path.reserve(root_.native().size() + folder.size() + hex.size() + 1);
  path += root_.native();
  path += folder;
  path.append(hex, 0, 2);
  path += '/';
  path.append(hex, 2);
  return path;
}

void for_each_file(const fs::path& folder, const std::function<void(const Digest&, const fs::path&)>& visit,
                   const std::function<void(const fs::path&)>& visit_other) {
  for (const fs::path& part : sorted_entries(folder)) {
    std::error_code error;
    const std::string prefix = part.filename().native();
    if (prefix.size() != 2 || !fs::is_directory(fs::symlink_status(part, error))) {
      if (visit_other) visit_other(part);
      continue;
    }
    for (const fs::path& path : sorted_entries(part)) {
      const auto id = Digest::from_hex(prefix + path.filename().native());
      if (id && fs::is_regular_file(fs::symlink_status(path, error)))
        visit(*id, path);
      else if (visit_other)
        visit_other(path);
    }
  }
}

std::error_code publish(const fs::path& from, const fs::path& to) {
  if (rename_unflushed(from, to) == 0) return {};
  int error = errno;
  if (error == ENOENT || error == ENOTDIR) make_directories(to.parent_path());
  if (error == ENOENT || remove_obstacle("cannot write", to)) {
    if (rename_unflushed(from, to) == 0) return {};
    error = errno;
  }
  return {error, std::generic_category()};
}

std::string damaged_tombstone(std::string_view reason) {
  return Json{{"damaged", reason}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<std::string> parse_damaged_tombstone(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return "the record of the damage is damaged too";
  const auto member = json.find("damaged");
  if (member == json.end() || !member->is_string()) return std::nullopt;
  return member->get<std::string>();
}

std::string utc_time(std::time_t when) {
  std::tm parts{};
  char text[32];
  if (::gmtime_r(&when, &parts) == nullptr ||
      std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
    return "an unknown time";
  return text;
}

}  // namespace bottle::store
