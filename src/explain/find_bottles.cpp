// SPDX-License-Identifier: Apache-2.0
#include "explain/find_bottles.hpp"

#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace bottle::explain {
namespace {

constexpr int kMaximumDepth = 10;
constexpr std::size_t kMaximumNamed = 10;

bool is_bottle(const fs::path& directory) {
  std::error_code error;
  return directory.parent_path().filename() == "bottles" &&
         fs::is_regular_file(directory / "spec.json", error);
}

void search(const fs::path& directory, int depth, std::vector<FoundBottle>& found) {
  check_interrupted();
  if (is_bottle(directory)) {
    found.push_back({directory.filename().native(), directory});
    return;  // what is inside is its own: layers and blobs by the thousand
  }
  if (depth == kMaximumDepth) return;
  static const std::set<std::string> kSkipped{"CMakeFiles", ".git", ".cmake", "Testing", "node_modules"};
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_symlink(ignored) && entry->is_directory(ignored) &&
        !kSkipped.contains(entry->path().filename().native()))
      search(entry->path(), depth + 1, found);
  }
  // A directory that may not be read is skipped here, except the one that the user named.
  if (error && depth == 0) throw_errno("cannot search for bottles", directory.native(), error.value());
}

}  // namespace

std::vector<FoundBottle> find_bottles(const fs::path& build) {
  std::error_code error;
  const fs::path root = fs::canonical(build, error);
  if (error || !fs::is_directory(root)) {
    throw UsageError("the build directory does not exist",
                     {.where = build.native(), .hint = "give the directory of cmake -B: bottle-why DIR"});
  }
  std::vector<FoundBottle> found;
  search(root, 0, found);
  std::sort(found.begin(), found.end(), [](const FoundBottle& a, const FoundBottle& b) {
    return std::tie(a.slug, a.directory) < std::tie(b.slug, b.directory);
  });
  return found;
}

FoundBottle find_bottle(const fs::path& build, const std::string& slug) {
  const std::vector<FoundBottle> found = find_bottles(build);
  std::vector<std::string> slugs;
  std::vector<FoundBottle> matches;
  for (const FoundBottle& bottle : found) {
    if (bottle.slug == slug) matches.push_back(bottle);
    if (slugs.empty() || slugs.back() != bottle.slug) slugs.push_back(bottle.slug);  // they are sorted
  }
  if (matches.size() == 1) return matches.front();
  if (matches.size() > 1) {
    throw UsageError(fmt::format("found {} bottles \"{}\": in {} and {}", matches.size(), slug,
                                 matches[0].directory.native(), matches[1].directory.native()),
                     {.where = build.native(),
                      .hint = "give one of these directories, or its spec.json with --spec FILE"});
  }
  if (slugs.empty()) {
    throw UsageError("the directory holds no bottle",
                     {.where = build.native(),
                      .hint = "configure a project that calls add_bottle(), and give its build directory"});
  }
  const auto near = nearest(slug, slugs);
  std::string names = fmt::format(
      "{}",
      fmt::join(slugs.begin(),
                slugs.begin() + static_cast<std::ptrdiff_t>(std::min(slugs.size(), kMaximumNamed)), ", "));
  if (slugs.size() > kMaximumNamed) names += fmt::format(" and {} more", slugs.size() - kMaximumNamed);
  throw UsageError("unknown bottle \"" + slug + "\": expected one of " + names,
                   {.where = build.native(), .hint = near ? "did you mean " + *near + "?" : ""});
}

}  // namespace bottle::explain
