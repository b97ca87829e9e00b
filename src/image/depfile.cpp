#include "image/depfile.hpp"

#include <cerrno>
#include <set>

#include "util/digest.hpp"
#include "util/error.hpp"

namespace bottle::image {
namespace {

bool is_plain(char c) {
  static constexpr std::string_view kSpecial = "\"#$%&'()*:;<>?[\\]^`{|}\x7f";
  return static_cast<unsigned char>(c) >= ' ' && kSpecial.find(c) == std::string_view::npos;
}

// How much of the path lies up to the end of its last component that is not plain; 0 if all are.
std::size_t special_part(std::string_view path) {
  for (std::size_t i = path.size(); i > 0; --i)
    if (!is_plain(path[i - 1])) return std::min(path.find('/', i), path.size());
  return 0;
}

}  // namespace

std::string depfile(const std::string& target, const std::vector<fs::path>& paths) {
  std::string text;
  const auto append = [&](const std::string& path) {
    for (const char c : path) {
      if (c == ' ' || c == '#') text += '\\';
      if (c == '$') text += '$';
      text += c;
    }
  };
  append(target);
  text += ':';
  for (const fs::path& path : paths) {
    text += " \\\n  ";
    append(path.native());
  }
  return text + "\n";
}

std::vector<fs::path> plain_paths(const std::vector<fs::path>& paths, const fs::path& links) {
  std::set<std::string> needed;
  std::vector<fs::path> result;
  result.reserve(paths.size());
  for (const fs::path& path : paths) {
    const std::string& text = path.native();
    const std::size_t end = special_part(text);
    if (end == 0) {
      result.push_back(path);
      continue;
    }
    const std::string special = text.substr(0, end);
    const std::string name = sha256(special).hex().substr(0, 32);
    const fs::path link = links / name;
    if (needed.insert(name).second) {
      make_directories(links);
      std::error_code error;
      if (fs::read_symlink(link, error) != special) {
        fs::remove(link, error);
        fs::create_symlink(special, link, error);
        if (error) throw_errno("cannot make the symbolic link", link.native(), error.value());
      }
    }
    result.emplace_back(link.native() + text.substr(end));
  }
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(links, none))
    if (!needed.contains(entry.path().filename().native())) fs::remove(entry.path(), none);
  return result;
}

}  // namespace bottle::image
