// SPDX-License-Identifier: Apache-2.0
#include "util/error.hpp"

#include <cerrno>
#include <system_error>

namespace bottle {
namespace {

std::string compose(const std::string& message, const ErrorPlace& place) {
  std::string text = place.where.empty() ? message : place.where + ": " + message;
  if (!place.hint.empty()) text += "; " + place.hint;
  return text;
}

const char* remedy(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return "free space on that file system and build again; existing files are unchanged";
    case EACCES:
    case EPERM:
    case EROFS:
      return "check the permissions of the path and of the directory it is in";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (ulimit -n)";
    default:
      return "";
  }
}

}  // namespace

Error::Error(std::string message, ErrorPlace place)
    : message_(std::move(message)), place_(std::move(place)), text_(compose(message_, place_)) {}

void throw_errno(std::string_view action, std::string_view path) {
  throw_errno(action, path, errno);
}

void throw_errno(std::string_view action, std::string_view path, int error_number) {
  throw Error(std::string(action) + ": " + std::generic_category().message(error_number),
              {.where = std::string(path), .hint = remedy(error_number)});
}

}  // namespace bottle
