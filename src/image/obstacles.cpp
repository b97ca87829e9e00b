// SPDX-License-Identifier: Apache-2.0
#include "image/obstacles.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

#include "util/obstacle.hpp"

namespace bottle::image {
namespace {

constexpr std::array<std::string_view, 6> kDirectories{"layers", "blobs",      "oci",
                                                       "inputs", "key.inputs", "push"};
constexpr std::array<std::string_view, 8> kFileBeginnings{"key.", "image.",  "roots.",       "pack.",
                                                          "oci.", "inputs.", "fingerprint.", "spec."};

bool is_a_steps_directory(std::string_view name) {
  return std::find(kDirectories.begin(), kDirectories.end(), name) != kDirectories.end();
}

bool is_a_steps_file(std::string_view name) {
  return !is_a_steps_directory(name) &&
         (name == "key" || name == ".lock" || name.ends_with(".smolmachine") ||
          std::any_of(kFileBeginnings.begin(), kFileBeginnings.end(),
                      [&](std::string_view beginning) { return name.starts_with(beginning); }));
}

// What is at the place of a file.
void clear_file(const fs::directory_entry& entry) {
  std::error_code error;
  if (entry.is_symlink(error)) {
    // (Another step may be about to replace a lock.)
    if (!fs::exists(entry.path(), error) && entry.path().filename() != ".lock")
      fs::remove(entry.path(), error);
  } else if (entry.is_directory(error)) {
    remove_obstacle("cannot write", entry.path());
  }
}

void require_directory(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(path, error).type();
  if (type != fs::file_type::not_found && type != fs::file_type::none && !fs::is_directory(path, error))
    throw_no_directory(path, ENOTDIR);
}

void clear_files_in(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    clear_file(*entry);
}

}  // namespace

void clear_obstacles(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().native();
    if (is_a_steps_file(name)) clear_file(*entry);
    if (is_a_steps_directory(name)) require_directory(entry->path());
  }
  for (const char* name : {"layers", "blobs"})
    clear_files_in(directory / name);
  const fs::path layout = directory / "oci";
  for (const char* name : {"index.json", "oci-layout"})
    clear_file(fs::directory_entry(layout / name, error));
  require_directory(layout / "blobs");
  require_directory(layout / "blobs/sha256");
  clear_files_in(layout / "blobs/sha256");
}

}  // namespace bottle::image
