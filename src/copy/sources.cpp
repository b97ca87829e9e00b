// SPDX-License-Identifier: Apache-2.0
#include "copy/sources.hpp"

#include <deque>

#include <fmt/format.h>

#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::copy {
namespace {

// Linux follows 40; containerd's RootPath, which BuildKit uses, 255.
constexpr int kMaximumLinks = 255;

bool climbs_above_root(std::string_view written) {
  int depth = 0;
  for (const std::string_view part : path_components(written)) {
    if (part.empty() || part == ".") continue;
    depth += part == ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

// All matches below `directory`; a directory that matches is not searched further.
void search(const SourceTree& tree, const std::string& literal, const std::string& relative, const Glob& glob,
            std::vector<std::string>& found) {
  for (const std::string& name : tree.list(join_path(literal, relative))) {
    const std::string path = join_path(relative, name);
    if (glob.match(path)) {
      found.push_back(path);
    } else if (glob.could_match_below(path) &&
               tree.kind(join_path(literal, path)) == SourceTree::Kind::directory) {
      search(tree, literal, path, glob, found);
    }
  }
}

}  // namespace

SourcePattern::SourcePattern(std::string_view written)
    : path(path_in_root(written)), climbs(climbs_above_root(written)) {
  for (const std::string_view part : path_components(path)) {
    std::string& side = wildcard.empty() && !has_wildcards(part) ? literal : wildcard;
    side = join_path(side, part);
  }
  if (!wildcard.empty()) glob.emplace(wildcard, Glob::Language::file_path);
}

bool SourcePattern::match(std::string_view candidate) const {
  if (!glob) return candidate == literal;
  if (candidate == literal || !is_within(candidate, literal)) return false;
  return glob->match(candidate.substr(literal.empty() ? 0 : literal.size() + 1));
}

bool SourcePattern::could_match_below(std::string_view directory) const {
  if (directory != literal && is_within(literal, directory)) return true;
  if (!glob || !is_within(directory, literal)) return false;
  if (directory == literal) return true;
  return glob->could_match_below(directory.substr(literal.empty() ? 0 : literal.size() + 1));
}

bool Source::takes(std::string_view relative) const {
  return (!includes || includes->match(relative)) && !excludes.match(relative);
}

bool Source::may_take_below(std::string_view relative) const {
  if (includes && !includes->could_match_below(relative)) return false;
  return relative.empty() || excludes.has_exceptions() || !excludes.match(relative);
}

Source parse_source(std::string_view written, bool parents, const std::vector<std::string>& excludes) {
  std::string_view base = written;
  std::optional<PathPatterns> includes;
  std::optional<std::string> required;
  if (parents) {
    // "base/./pattern": what is before the pivot is left behind, the rest is made at the destination.
    std::string_view rest = written;
    base = "/";
    if (const std::size_t pivot = written.find("/./"); pivot != std::string_view::npos) {
      base = written.substr(0, pivot);
      rest = written.substr(pivot + 3);
    }
    const std::string pattern = path_in_root(rest);
    includes.emplace(std::vector<std::string>{pattern});
    if (!has_wildcards(base) && !has_wildcards(pattern)) {
      required = path_in_root(join_path(base, pattern));
    }
  }
  return {std::string(written), SourcePattern(base), std::move(includes), PathPatterns(excludes),
          std::move(required)};
}

SourceTree::Kind MergedSourceTree::kind(const std::string& path) const {
  const oci::MergedTree::Node* node = tree_.find(path);
  if (node == nullptr) return Kind::missing;
  switch (node->inode->type) {
    case oci::EntryType::directory:
      return Kind::directory;
    case oci::EntryType::symlink:
      return Kind::symlink;
    default:
      return Kind::other;
  }
}

std::string MergedSourceTree::read_link(const std::string& path) const {
  return tree_.find(path)->inode->link.string();
}

std::vector<std::string> MergedSourceTree::list(const std::string& path) const {
  std::vector<std::string> names;
  if (const oci::MergedTree::Node* node = tree_.find(path)) {
    for (const auto& child : node->children)
      names.push_back(child.first);
  }
  return names;
}

std::string follow_links(const SourceTree& tree, std::string_view path, bool follow_last) {
  std::deque<std::string> todo;
  for (const std::string_view part : path_components(path))
    todo.emplace_back(part);
  std::string done;
  for (int links = 0; !todo.empty();) {
    const std::string part = std::move(todo.front());
    todo.pop_front();
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      done = std::string(oci::parent_path(done));
      continue;
    }
    std::string next = join_path(done, part);
    if ((todo.empty() && !follow_last) || tree.kind(next) != SourceTree::Kind::symlink) {
      done = std::move(next);
      continue;
    }
    if (++links > kMaximumLinks) {
      throw Error(fmt::format("too many symbolic links in \"/{}\": more than {}", path, kMaximumLinks));
    }
    const std::string target = tree.read_link(next);
    if (!target.empty() && target.front() == '/') done.clear();
    const std::vector<std::string_view> parts = path_components(target);
    todo.insert(todo.begin(), parts.begin(), parts.end());
  }
  return done;
}

std::vector<SourceMatch> find_matches(const SourceTree& tree, const SourcePattern& pattern) {
  if (!pattern.is_wildcard()) return {{pattern.path, follow_links(tree, pattern.path)}};
  const std::string directory = follow_links(tree, pattern.literal);
  const SourceTree::Kind kind = tree.kind(directory);
  if (kind == SourceTree::Kind::missing) {
    throw Error(
        fmt::format("directory \"/{}\" of the pattern \"{}\" not found", pattern.literal, pattern.wildcard));
  }
  std::vector<std::string> found;
  if (kind == SourceTree::Kind::directory) search(tree, directory, "", *pattern.glob, found);
  std::vector<SourceMatch> matches;
  for (const std::string& relative : found) {
    std::string name = join_path(directory, relative);
    std::string path = follow_links(tree, name);
    matches.push_back({std::move(name), std::move(path)});
  }
  return matches;
}

}  // namespace bottle::copy
