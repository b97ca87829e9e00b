// SPDX-License-Identifier: Apache-2.0
#include "image/context/depfile.hpp"

#include <algorithm>
#include <array>

#include "util/digest.hpp"
#include "util/error.hpp"

namespace bottle::image::context {
namespace {

bool is_plain(char c) {
  static constexpr auto kIsPlain = [] {
    std::array<bool, 256> table{};
    for (std::size_t code = ' '; code < table.size(); ++code)
      table[code] = true;
    for (const char special : std::string_view("\"#$%&'()*:;<>?[\\]^`{|}\x7f"))
      table[static_cast<unsigned char>(special)] = false;
    return table;
  }();
  return kIsPlain[static_cast<unsigned char>(c)];
}

// A blank at either end of a name is lost to Make, and to the lists that CMake gathers for it.
bool is_end_blank(std::string_view path, std::size_t at) {
  return path[at] == ' ' && (at + 1 == path.size() || path[at + 1] == '/' || at == 0 || path[at - 1] == '/');
}

// How much of the path lies up to the end of its last component that is not plain; 0 if all are.
std::size_t special_part(std::string_view path) {
  for (std::size_t i = path.size(); i > 0; --i)
    if (!is_plain(path[i - 1]) || is_end_blank(path, i - 1)) return std::min(path.find('/', i), path.size());
  return 0;
}

}  // namespace

void remove_repeated(std::vector<Dependency>& dependencies) {
  auto last = dependencies.begin();
  for (auto next = dependencies.begin(); next != dependencies.end(); ++next) {
    if (next == last) continue;
    if (next->path == last->path)
      last->mtime_ns = last->mtime_ns < 0 ? last->mtime_ns : next->mtime_ns;  // sorted
    else if (++last != next)
      *last = std::move(*next);
  }
  if (!dependencies.empty()) dependencies.erase(last + 1, dependencies.end());
}

std::string depfile(const std::string& target, const std::vector<std::string_view>& paths, bool empty_rules) {
  enum class As { target_name, prerequisite };
  std::string text;
  // For make, "a=b: c" sets a variable, and "a%: c" is a pattern.
  bool has_equals = false;
  const auto append = [&](std::string_view path, As as) {
    for (const char c : path) {
      if (c == ' ' || c == '#' || (empty_rules && (c == ':' || (c == '%' && as == As::target_name))))
        text += '\\';
      if (c == '$') text += '$';
      if (empty_rules && c == '=') {
        text += "$(bottle_equals)";
        has_equals = true;
      } else {
        text += c;
      }
    }
  };
  append(target, As::target_name);
  text += ':';
  for (const std::string_view path : paths) {
    text += " \\\n  ";
    append(path, As::prerequisite);
  }
  text += '\n';
  if (!empty_rules) return text;
  for (const std::string_view path : paths) {
    text += '\n';
    append(path, As::target_name);
    text += ":\n";
  }
  return has_equals ? "bottle_equals := =\n" + text : text;
}

std::string_view PlainPaths::plain(std::string_view path) {
  const std::size_t end = special_part(path);
  if (end == 0) return path;
  const std::string special(path.substr(0, end));
  const std::string name = sha256(special).hex().substr(0, 32);
  const fs::path link = links_ / name;
  if (needed_.insert(name).second) {
    make_directories(links_);
    std::error_code error;
    if (fs::read_symlink(link, error) != special) {
      fs::remove(link, error);
      fs::create_symlink(special, link, error);
      if (error) throw_errno("cannot create the symbolic link", link.native(), error.value());
    }
  }
  return texts_.emplace_back(link.native() + std::string(path.substr(end)));
}

void PlainPaths::finish() const {
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(links_, none))
    if (!needed_.contains(entry.path().filename().native())) fs::remove(entry.path(), none);
}

std::vector<std::string> plain_paths(const std::vector<std::string>& paths, const fs::path& links) {
  PlainPaths plain(links);
  std::vector<std::string> result;
  result.reserve(paths.size());
  for (const std::string& path : paths)
    result.emplace_back(plain.plain(path));
  plain.finish();
  return result;
}

}  // namespace bottle::image::context
