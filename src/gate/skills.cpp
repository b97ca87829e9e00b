// SPDX-License-Identifier: Apache-2.0
#include "gate/skills.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "util/digest.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::gate {
namespace {

std::vector<fs::path> sorted_entries(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator next(directory, error), end; !error && next != end; next.increment(error))
    entries.push_back(next->path());
  if (error) throw Error("cannot read the directory: " + error.message(), {.where = directory.native()});
  std::sort(entries.begin(), entries.end());
  return entries;
}

void remove_if_of_other_kind(const fs::path& path, mode_t kind) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0 && (status.st_mode & S_IFMT) != kind) fs::remove_all(path);
}

class Gathering {
 public:
  Gathering(fs::path out, GatheredSkills& result) : out_(std::move(out)), result_(result) {}

  void directory(const fs::path& from, const std::string& name) {
    check_interrupted();
    result_.inputs.push_back(from.native());
    remove_if_of_other_kind(out_ / name, S_IFDIR);
    make_directories(out_ / name);
    std::set<std::string> kept;
    for (const fs::path& entry : sorted_entries(from)) {
      const std::string inner = name + "/" + entry.filename().native();
      kept.insert(entry.filename().native());
      struct stat status {};
      if (::lstat(entry.c_str(), &status) != 0) throw_errno("cannot stat", entry.native());
      if (S_ISDIR(status.st_mode))
        directory(entry, inner);
      else if (S_ISLNK(status.st_mode))
        link(entry, inner);
      else if (S_ISREG(status.st_mode))
        file(entry, inner, (status.st_mode & S_IXUSR) != 0 ? 0755 : 0644);
      else
        throw Error("expected a file, a directory or a symbolic link, found a device, pipe or socket",
                    {.where = entry.native()});
    }
    remove_others(out_ / name, kept);
  }

  static void remove_others(const fs::path& directory, const std::set<std::string>& kept) {
    for (const fs::path& entry : sorted_entries(directory))
      if (kept.count(entry.filename().native()) == 0) fs::remove_all(entry);
  }

 private:
  void link(const fs::path& from, const std::string& name) {
    const fs::path target = fs::read_symlink(from);
    remove_if_of_other_kind(out_ / name, S_IFLNK);
    std::error_code error;
    if (fs::read_symlink(out_ / name, error) != target) {
      fs::remove(out_ / name);
      fs::create_symlink(target, out_ / name);
    }
    result_.list += fmt::format("link {} {}\n", escape_word(target.native()), escape_word(name));
    result_.inputs.push_back(fs::exists(from) ? from.native() : from.parent_path().native());
  }

  void file(const fs::path& from, const std::string& name, mode_t mode) {
    remove_if_of_other_kind(out_ / name, S_IFREG);
    const std::string content = read_file(from);
    struct stat status {};
    const bool there = ::lstat((out_ / name).c_str(), &status) == 0;
    if (!there || (status.st_mode & 07777) != mode || read_file(out_ / name) != content) {
      AtomicFile copy(out_ / name, mode, Durable::no);
      copy.write(content);
      if (::fchmod(copy.descriptor(), mode) != 0)
        throw_errno("cannot set the permissions of", (out_ / name).native());
      copy.commit();
    }
    result_.list += fmt::format("{:o} {} {}\n", mode, sha256(content).hex(), escape_word(name));
    result_.inputs.push_back(from.native());
  }

  fs::path out_;
  GatheredSkills& result_;
};

[[noreturn]] void missing(const fs::path& root, const std::string& name) {
  std::vector<std::string> known;
  std::error_code error;
  for (fs::directory_iterator next(root, error), end; !error && next != end; next.increment(error))
    if (next->is_directory()) known.push_back(next->path().filename().native());
  std::sort(known.begin(), known.end());
  const auto near = nearest(name, known);
  throw Error(fmt::format("unknown skill \"{}\": {}", name,
                          known.empty() ? "the directory holds none"
                                        : fmt::format("expected one of {}", fmt::join(known, ", "))),
              {.where = root.native(), .hint = near ? "did you mean \"" + *near + "\"?" : ""});
}

}  // namespace

GatheredSkills gather_skills(const fs::path& root, const std::vector<std::string>& names,
                             const fs::path& out) {
  GatheredSkills result;
  make_directories(out);
  Gathering gathering(out, result);
  const fs::path top = fs::absolute(root).lexically_normal();
  std::set<std::string> kept;
  for (const std::string& name : names) {
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos)
      throw Error("expected the name of a skill without \"/\", found \"" + name + "\"",
                  {.where = top.native()});
    if (!fs::is_directory(top / name)) missing(top, name);
    if (kept.insert(name).second) gathering.directory(top / name, name);
  }
  Gathering::remove_others(out, kept);
  return result;
}

}  // namespace bottle::gate
