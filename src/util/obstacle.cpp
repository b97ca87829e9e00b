// SPDX-License-Identifier: Apache-2.0
#include "util/obstacle.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "util/error.hpp"
#include "util/shell_quote.hpp"

namespace bottle {

namespace fs = std::filesystem;

namespace {

std::string command_for(const fs::path& obstacle, mode_t mode) {
  return "remove it and build again: " + std::string(S_ISDIR(mode) ? "rm -r " : "rm ") +
         shell_word(obstacle.native());
}

}  // namespace

bool remove_obstacle(std::string_view action, const fs::path& place) {
  struct stat status {};
  if (::lstat(place.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return false;
  if (::rmdir(place.c_str()) == 0 || errno == ENOENT) return true;  // another process may remove it too
  throw Error(std::string(action) + ": a directory is in its place",
              {.where = place.native(), .hint = command_for(place, status.st_mode)});
}

void throw_no_directory(const fs::path& directory, int error_number) {
  fs::path part;
  for (const fs::path& name : directory) {
    part /= name;
    struct stat status {};
    struct stat target {};
    if (::lstat(part.c_str(), &status) != 0) break;
    if (S_ISDIR(status.st_mode)) continue;
    const bool leads = ::stat(part.c_str(), &target) == 0;
    if (leads && S_ISDIR(target.st_mode)) continue;
    const char* what = !S_ISLNK(status.st_mode) ? "a file"
                       : leads                  ? "a link to a file"
                                                : "a link without a target";
    throw Error("cannot create the directory " + directory.native() + ": " + what + " is in its place",
                {.where = part.native(), .hint = command_for(part, status.st_mode)});
  }
  throw_errno("cannot create the directory", directory.native(), error_number);
}

void throw_no_file(std::string_view action, const fs::path& place, int error_number) {
  struct stat status {};
  if (::lstat(place.c_str(), &status) == 0 && (S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode)))
    throw Error(std::string(action) + ": " + std::generic_category().message(error_number),
                {.where = place.native(), .hint = command_for(place, status.st_mode)});
  throw_errno(action, place.native(), error_number);
}

}  // namespace bottle
