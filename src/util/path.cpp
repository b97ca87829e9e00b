// SPDX-License-Identifier: Apache-2.0
#include "util/path.hpp"

#include "util/text.hpp"

namespace bottle {

std::string clean_path(std::string_view path) {
  const bool is_absolute = !path.empty() && path.front() == '/';
  std::vector<std::string_view> kept;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    const bool goes_up = part == "..";
    if (goes_up && !kept.empty() && kept.back() != "..")
      kept.pop_back();
    else if (!goes_up || !is_absolute)
      kept.push_back(part);
  }
  std::string result = is_absolute ? "/" : "";
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (i != 0) result += '/';
    result += kept[i];
  }
  return result.empty() ? "." : result;
}

std::string path_in_root(std::string_view path) {
  return clean_path("/" + std::string(path)).substr(1);
}

std::string join_path(std::string_view directory, std::string_view rest) {
  std::string result(directory);
  if (!directory.empty() && !rest.empty()) result += '/';
  result += rest;
  return result;
}

std::vector<std::string_view> path_components(std::string_view path) {
  if (path.empty()) return {};
  return split(path, '/');
}

bool is_within(std::string_view path, std::string_view directory) {
  return directory.empty() || path == directory ||
         (path.size() > directory.size() && path.substr(0, directory.size()) == directory &&
          path[directory.size()] == '/');
}

}  // namespace bottle
