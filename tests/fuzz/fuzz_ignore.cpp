// SPDX-License-Identifier: Apache-2.0
// An ignore file, a NUL byte, and paths by lines. What matches must not depend on whether parents are looked
// at path by path or remembered, as long as no exception is involved.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dockerfile/ignore.hpp"
#include "util/path.hpp"

using namespace bottle::dockerfile;

namespace {

bool walked(const IgnoreMatcher& matcher, std::string_view path) {
  IgnoreMatcher::Results parent;
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    IgnoreMatcher::Results own;
    matcher.matches(path.substr(0, slash), parent, &own);
    parent = std::move(own);
  }
  return matcher.matches(path, parent, nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = text.find('\0');
  try {
    const IgnoreMatcher matcher(read_ignore_file(text.substr(0, end)));
    std::string_view paths = end == std::string_view::npos ? std::string_view("a/b/c") : text.substr(end + 1);
    for (int count = 0; !paths.empty() && count < 20; ++count) {
      const std::size_t line_end = paths.find('\n');
      const std::string path = bottle::clean_path(paths.substr(0, line_end));
      paths.remove_prefix(line_end == std::string_view::npos ? paths.size() : line_end + 1);
      const bool found = matcher.matches(path);
      if (path.front() == '/' || path.front() == '.') continue;
      if (!matcher.has_exceptions() && walked(matcher, path) != found) __builtin_trap();
      matcher.may_skip(path);
    }
  } catch (const IgnoreError& error) {
    if (error.message().empty()) __builtin_trap();
  }
  return 0;
}
