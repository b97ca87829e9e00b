// SPDX-License-Identifier: Apache-2.0
#include "run/placement.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "run/imitation.hpp"
#include "run/unpack.hpp"
#include "util/error.hpp"
#include "util/path.hpp"

namespace bottle::run {
namespace {

constexpr mode_t kDirectoryMode = 0755;  // of what runtimes make to mount on

std::optional<struct stat> status_of(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw_errno("cannot stat", path.native());
}

void move(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    throw Error(fmt::format("cannot move {} to {}: {}", from.native(), to.native(),
                            std::generic_category().message(errno)));
}

// Mounting does not change the time of the directory that the target is in.
class KeptTime {
 public:
  explicit KeptTime(fs::path directory) : directory_(std::move(directory)) {
    if (const auto status = status_of(directory_)) time_ = status->st_mtim;
  }
  void restore() const noexcept {
    if (!time_) return;
    const std::array<timespec, 2> times{timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, *time_};
    ::utimensat(AT_FDCWD, directory_.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
  }

 private:
  fs::path directory_;
  std::optional<timespec> time_;
};

bool has_option(const BundleMount& mount, std::string_view name) {
  for (const std::string& option : mount.options)
    if (option == name) return true;
  return false;
}

mode_t mode_of(const BundleMount& mount) {
  for (const std::string& option : mount.options)
    if (option.starts_with("mode=")) return static_cast<mode_t>(std::stoul(option.substr(5), nullptr, 8));
  return 01777;
}

void make_directory(const fs::path& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0) throw_errno("cannot create", path.native());
  if (::chmod(path.c_str(), mode) != 0) throw_errno("cannot set the mode of", path.native());
}

}  // namespace

Placement::Placement(const Bundle& bundle, fs::path work) : bundle_(bundle), work_(std::move(work)) {
  try {
    place_system();
    for (const BundleMount& mount : bundle_.mounts)
      place(mount);
    stamp();
  } catch (...) {
    take_all_back();
    throw;
  }
}

Placement::~Placement() {
  take_all_back();
}

// Says the first thing that could not be moved back.
std::string Placement::take_all_back() noexcept {
  std::string problem;
  for (; !items_.empty(); items_.pop_back())
    if (std::string found = take_back(items_.back()); problem.empty()) problem = std::move(found);
  return problem;
}

void Placement::place_system() {
  struct System {
    const char* name;
    void (*imitate)(const fs::path&);
    bool is_read_only;
  };
  for (const System& system : {System{"dev", imitate_dev, false}, System{"proc", imitate_proc, true},
                               System{"sys", imitate_sys, true}}) {
    const fs::path place = bundle_.root / system.name;
    if (!status_of(place)) make_directory(place, kDirectoryMode);  // stays, as with a runtime
    const fs::path source = work_ / system.name;
    make_directory(source, kDirectoryMode);
    system.imitate(source);
    Item item;
    item.target = std::string("/") + system.name;
    item.place = place;
    item.source = source;
    item.is_read_only = system.is_read_only;
    put(std::move(item));
  }
}

void Placement::place(const BundleMount& mount) {
  Item item;
  item.target = mount.target;
  item.place = bundle_.root / path_in_root(mount.target);
  item.is_read_only = has_option(mount, "ro");
  if (mount.type == "tmpfs") {
    item.source = work_ / ("tmpfs" + std::to_string(++number_));
    make_directory(item.source, mode_of(mount));
  } else {
    item.source = mount.source;
    if (!status_of(item.source))
      throw Error(fmt::format("cannot show one cache at two targets without mounts: {}", mount.target),
                  {.hint = "mount it once, or use the isolation runtime or userns"});
  }
  put(std::move(item));
}

void Placement::put(Item item) {
  // What a runtime would make on the way to the target.
  std::vector<fs::path> above;
  for (fs::path parent = item.place.parent_path(); !status_of(parent); parent = parent.parent_path())
    above.push_back(parent);
  for (auto parent = above.rbegin(); parent != above.rend(); ++parent)
    make_directory(*parent, kDirectoryMode);
  hide(item);
  const KeptTime time(item.place.parent_path());
  move(item.source, item.place);
  time.restore();
  const auto status = status_of(item.place);
  item.device = status->st_dev;
  item.inode = status->st_ino;
  items_.push_back(std::move(item));
}

// Once all are placed, since placing one inside another changes that. What is placed inside is its own.
void Placement::stamp() {
  for (Item& item : items_) {
    if (!item.is_read_only) continue;
    const std::string top = path_in_root(item.target);
    std::vector<std::string> inner;
    for (const Item& other : items_) {
      const std::string path = path_in_root(other.target);
      if (path != top && is_within(path, top)) inner.push_back(path.substr(top.size() + 1));
    }
    item.stamps.emplace(item.place, work_, std::move(inner));
  }
}

// A target that was not there is one that a runtime makes, which changes the time of its directory.
void Placement::hide(Item& item) {
  item.was_there = status_of(item.place).has_value();
  if (!item.was_there) {
    make_directory(item.place, kDirectoryMode);
    if (::rmdir(item.place.c_str()) != 0) throw_errno("cannot remove", item.place.native());
    return;
  }
  const KeptTime time(item.place.parent_path());
  item.hidden = work_ / ("hidden" + std::to_string(++number_));
  move(item.place, item.hidden);
  time.restore();
}

std::string Placement::violation(const Item& item) const {
  const auto status = has_real_parents(item) ? status_of(item.place) : std::nullopt;
  if (!status || status->st_dev != item.device || status->st_ino != item.inode)
    return fmt::format("the command removed or replaced {}, which is mounted", item.target);
  if (!item.stamps) return {};
  const auto change = item.stamps->find_change(item.place);
  if (!change) return {};
  return fmt::format("the command changed {}{}{}, which is mounted read-only", item.target,
                     change->empty() ? "" : "/", *change);
}

// Whether the directories above the target are ones: the command may have put a link there, which leads out
// of the root. None of its processes runs any longer.
bool Placement::has_real_parents(const Item& item) const {
  for (fs::path parent = item.place.parent_path(); parent != bundle_.root; parent = parent.parent_path()) {
    const auto status = status_of(parent);
    if (!status || !S_ISDIR(status->st_mode)) return false;
  }
  return true;
}

// Moves it back; says what could not be.
std::string Placement::take_back(Item& item) noexcept {
  std::string problem;
  try {
    if (!has_real_parents(item)) return "the command replaced the directory of " + item.target;
    const KeptTime time(item.place.parent_path());
    std::error_code error;
    const auto status = status_of(item.place);
    if (status && status->st_dev == item.device && status->st_ino == item.inode)
      move(item.place, item.source);
    else if (status)
      remove_tree(item.place);
    if (item.was_there) move(item.hidden, item.place);
    time.restore();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  return problem;
}

void Placement::undo() {
  std::string problem;
  // All are looked at before any is moved: moving one changes those around it.
  for (auto item = items_.rbegin(); item != items_.rend() && problem.empty(); ++item)
    if (std::string found = violation(*item); !found.empty())
      problem = found + ": the isolation chroot cannot refuse that to the command";
  const std::string failure = take_all_back();
  if (problem.empty()) problem = failure;
  if (!problem.empty())
    throw Error(problem, {.hint = "change the command so that it does not write there, or use the isolation "
                                  "runtime or userns, where the kernel refuses it"});
}

}  // namespace bottle::run
