// SPDX-License-Identifier: Apache-2.0
#include "image/context/depfile_parts.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <set>
#include <string_view>

#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::image::context {
namespace {

constexpr std::size_t kFew = 1000;     // paths: one depfile is good enough
constexpr std::size_t kPerPart = 250;  // paths, when parts are rebuilt
// Parts are kept while they have between these, since others have to be filled first.
constexpr std::size_t kLeastPerPart = 60;
constexpr std::size_t kMostPerPart = 700;

constexpr std::int64_t kAbsent = -1;

std::int64_t time_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return kAbsent;
  return status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
}

// FNV-1a.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text)
    value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

std::string_view relative_to(const std::string& base, std::string_view path) {
  if (base.empty() || path == base || !is_within(path, base)) return path;
  return path.substr(base.size() + 1);
}

// Where each path goes: to a part that has been looked at since the path was last changed.
class Parts {
 public:
  explicit Parts(const std::vector<std::int64_t>& stamps) : stamps_(stamps), newest_(stamps.size()) {
    std::iota(newest_.begin(), newest_.end(), std::size_t{0});
    std::stable_sort(newest_.begin(), newest_.end(),
                     [&](std::size_t a, std::size_t b) { return stamps_[a] > stamps_[b]; });
  }

  // Its number; that of none: how many there are.
  std::size_t find(const Dependency& dependency) const {
    if (stamps_.empty() || dependency.mtime_ns < 0) return stamps_.size();
    const std::uint64_t number = hash(dependency.path);
    const std::size_t home = number % stamps_.size();
    if (stamps_[home] > dependency.mtime_ns) return home;
    const auto end = std::partition_point(newest_.begin(), newest_.end(), [&](std::size_t part) {
      return stamps_[part] > dependency.mtime_ns;
    });
    const auto count = static_cast<std::size_t>(end - newest_.begin());
    return count == 0 ? stamps_.size() : newest_[number / stamps_.size() % count];
  }

 private:
  const std::vector<std::int64_t>& stamps_;
  std::vector<std::size_t> newest_;
};

// Files of another number of parts.
void remove_others(const fs::path& directory, std::size_t parts) {
  std::error_code none;
  if (parts == 0) {
    fs::remove_all(directory, none);
    return;
  }
  const std::string prefix = std::to_string(parts) + ".";
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, none))
    if (!entry.path().filename().native().starts_with(prefix)) fs::remove(entry.path(), none);
}

// What Ninja's work grows with: the squares of the files' lengths.
std::size_t next_parts(const std::vector<std::vector<std::string_view>>& files, std::size_t count) {
  const std::size_t parts = files.size() - 1;
  std::size_t work = 0;
  for (const std::vector<std::string_view>& file : files)
    work += file.size() * file.size();
  const bool has_good_number = parts == 0 ? count <= kMostPerPart * 2
                                          : count >= parts * kLeastPerPart && count <= parts * kMostPerPart;
  // After an upheaval many may share a part, or have none; another number brings new stamps for all.
  const bool is_spread = parts == 0 || work <= count * kPerPart * 8;
  if (has_good_number && is_spread) return parts;
  const std::size_t wanted = wanted_parts(count);
  return wanted == parts && parts != 0 ? parts + 1 : wanted;
}

}  // namespace

std::size_t wanted_parts(std::size_t paths) {
  return paths <= kFew ? 0 : (paths + kPerPart - 1) / kPerPart;
}

void write_depfiles(const fs::path& directory, const DepfileOptions& options,
                    const std::vector<Dependency>& dependencies) {
  const fs::path inputs = directory / "key.inputs";
  const fs::path stamp = directory / "key.stamp";
  const auto stamp_of = [&](std::size_t part) {
    return (inputs / (std::to_string(options.parts) + "." + std::to_string(part))).native();
  };
  std::vector<std::int64_t> stamps;
  for (std::size_t part = 0; part < options.parts; ++part)
    stamps.push_back(time_of(stamp_of(part)));

  const Parts parts(stamps);
  PlainPaths plain(directory / "inputs");
  std::vector<std::vector<std::string_view>> files(options.parts + 1);  // the last is key.d
  for (const Dependency& dependency : dependencies)
    files[parts.find(dependency)].push_back(relative_to(options.base, plain.plain(dependency.path)));
  plain.finish();

  std::vector<std::pair<fs::path, std::string>> changed;
  for (std::size_t part = 0; part < files.size(); ++part) {
    const bool is_last = part == options.parts;
    const fs::path file = is_last ? directory / "key.d" : fs::path(stamp_of(part) + ".d");
    const std::string name = is_last ? stamp.native() : stamp_of(part);
    const std::string target(is_last && !options.target.empty() ? options.target
                                                                : relative_to(options.base, name));
    std::string text = depfile(target, files[part], is_last && options.empty_rules);
    if (!has_content(file, text)) changed.emplace_back(file, std::move(text));
  }
  if (!changed.empty()) {
    // A path may be on its way from one file to another when this process is killed; without its stamp the
    // fingerprint runs again in any case.
    if (::unlink(stamp.c_str()) != 0 && errno != ENOENT) throw_errno("cannot remove", stamp.native());
    if (options.parts != 0) make_directories(inputs);
    for (const auto& [file, text] : changed)
      write_file(file, text, Durable::contents);
  }
  // A run of the tool by hand, without the option for Ninja, changes key.d alone: Ninja sees a depfile that
  // is not for its target, and runs the fingerprint, which is correct.
  if (options.base.empty()) return;
  remove_others(inputs, options.parts);
  write_file_if_changed(directory / "key.parts",
                        std::to_string(next_parts(files, dependencies.size())) + "\n");
}

}  // namespace bottle::image::context
