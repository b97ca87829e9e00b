// SPDX-License-Identifier: Apache-2.0
#include "oci/entry.hpp"

#include <algorithm>

namespace bottle::oci {

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view parent_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

bool is_entry_path(std::string_view text) {
  if (text.empty()) return true;
  if (path_defect(text) != nullptr) return false;
  while (true) {
    const std::size_t slash = text.find('/');
    const std::string_view name = text.substr(0, slash);
    if (name.empty() || name == "." || name == "..") return false;
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
  }
}

const char* path_defect(std::string_view path) {
  if (path.size() > kMaximumPath) return "the path is longer than 4095 bytes";
  if (path.find('\0') != std::string_view::npos) return "the path contains a NUL byte";
  if (path.size() <= kMaximumName) return nullptr;
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t slash = std::min(path.find('/', begin), path.size());
    if (slash - begin > kMaximumName) return "a name in the path is longer than 255 bytes";
    begin = slash + 1;
  }
  return nullptr;
}

std::string normalize_path(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (true) {
    const std::size_t slash = text.find('/');
    const std::string_view name = text.substr(0, slash);
    if (name == "..") {
      const std::size_t cut = result.rfind('/');
      result.resize(cut == std::string::npos ? 0 : cut);
    } else if (!name.empty() && name != ".") {
      if (!result.empty()) result += '/';
      result += name;
    }
    if (slash == std::string_view::npos) return result;
    text.remove_prefix(slash + 1);
  }
}

}  // namespace bottle::oci
