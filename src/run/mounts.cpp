// SPDX-License-Identifier: Apache-2.0
#include "run/mounts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "run/run_directory.hpp"
#include "run/targets.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/path.hpp"
#include "util/text.hpp"

namespace bottle::run {
namespace {

using dockerfile::Mount;

constexpr std::size_t kMaximumOptions = 4000;  // the kernel takes one page
// Without it, unmounting waits until all data written to that file system is on the disk.
// Source: Linux, Documentation/filesystems/overlayfs.rst, "Volatile mount".
constexpr const char* kNotFlushed = ",volatile";

}  // namespace

MountPoint::MountPoint(const std::string& source, fs::path target, const char* type, unsigned long flags,
                       const std::string& options)
    : target_(std::move(target)) {
  if (::mount(source.c_str(), target_.c_str(), type, flags, options.c_str()) == 0) return;
  const int error = errno;
  const std::string place = target_.native();
  target_.clear();
  throw_errno(std::string("cannot mount ") + type, place, error);
}

MountPoint::~MountPoint() {
  if (!target_.empty()) ::umount2(target_.c_str(), MNT_DETACH);
}

Overlay mount_overlay(const fs::path& store, const std::vector<fs::path>& lowers, const fs::path& directory,
                      bool user_attributes) {
  if (environment::value(environment::kOverlay) == "off") return {};
  for (const char* name : {"upper", "work", "root"})
    fs::create_directories(directory / name);
  // The store's place is the user's choice, and ':', ',' and '\\' mean something in the options; how they are
  // escaped depends on the kernel. By way of a descriptor none of them is there, and many short names are
  // room for more layers.
  const Fd top = open_for_reading(store, O_DIRECTORY);
  const auto name_of = [&](const fs::path& path) {
    return "/proc/self/fd/" + std::to_string(top.get()) + "/" + path.lexically_relative(store).native();
  };
  std::string options = "lowerdir=";
  for (const fs::path& lower : lowers)
    options += (&lower == &lowers.front() ? "" : ":") + name_of(lower);
  options += ",upperdir=" + name_of(directory / "upper") + ",workdir=" + name_of(directory / "work");
  // What the layer is made of must be in the upper directory, in the form that read_tree() knows, whatever
  // this kernel's defaults are.
  options += user_attributes ? ",userxattr" : ",redirect_dir=nofollow,metacopy=off,index=off";
  if (options.size() > kMaximumOptions) return {std::nullopt, "too many layers"};
  try {
    return {MountPoint("overlay", directory / "root", "overlay", 0, options + kNotFlushed), {}};
  } catch (const Error&) {
    // Linux before 5.10 does not know that one.
  }
  try {
    return {MountPoint("overlay", directory / "root", "overlay", 0, options), {}};
  } catch (const Error& error) {
    return {std::nullopt, error.message()};
  }
}

RunMounts::RunMounts(const RunRequest& request, const RunContext& context, IdMapping id_mapping,
                     unsigned user, Snapshots& snapshots, fs::path work, fs::path secret, bool can_mount)
    : context_(context),
      id_mapping_(id_mapping),
      user_(user),
      snapshots_(snapshots),
      work_(std::move(work)),
      secret_(std::move(secret)),
      can_mount_(can_mount) {
  lock_caches(request);
  int number = 0;
  int agents = 0;
  for (std::size_t i = 0; i < request.mounts.size(); ++i) {
    const RunMount& item = request.mounts[i];
    const auto& tree = context.mounts.at(i);
    ++number;
    switch (item.mount.type) {
      case Mount::Type::bind:
        bind(item, tree.value(), number);
        break;
      case Mount::Type::cache:
        cache(item, tree ? &*tree : nullptr);
        break;
      case Mount::Type::tmpfs:
        tmpfs(item);
        break;
      case Mount::Type::secret:
        this->secret(item, number);
        break;
      case Mount::Type::ssh:
        ssh(item, agents++);
        break;
    }
  }
}

RunMounts::~RunMounts() {
  while (!points_.empty())
    points_.pop_back();
}

std::vector<std::string> RunMounts::targets() const {
  std::vector<std::string> targets;
  for (const BundleMount& mount : mounts_)
    targets.push_back(mount.target);
  return targets;
}

void RunMounts::own(const fs::path& path, std::uint32_t uid, std::uint32_t gid, mode_t mode) const {
  if (id_mapping_ != IdMapping::single && ::chown(path.c_str(), uid, gid) != 0)
    throw_errno("cannot set the owner of", path.native());
  if (::chmod(path.c_str(), mode) != 0) throw_errno("cannot set the mode of", path.native());
}

void RunMounts::fill(const RunTree& tree, const fs::path& directory) {
  const oci::ContentReader reader = tree.image.reader(context_.store);
  if (tree.taken) {
    oci::MergedTree whole;
    whole.apply(*tree.taken, "the context");
    unpack(whole.entries(), whole.roots(), reader, directory, snapshots_.unpack_options());
  } else {
    const oci::MergedTree whole = tree.image.merged();
    unpack(whole.entries(), whole.roots(), reader, directory, snapshots_.unpack_options());
  }
}

fs::path RunMounts::show(const RunTree& tree, const fs::path& directory) {
  fs::create_directories(directory);
  if (!tree.taken && can_mount_) {
    auto lowers = snapshots_.lowers(tree.image, tree.base_layers);
    Overlay overlay = mount_overlay(context_.place, lowers, directory, id_mapping_ != IdMapping::root);
    if (overlay.point) {
      points_.push_back(std::move(*overlay.point));
      return directory / "root";
    }
  }
  fs::path root = directory / "copy";
  fs::create_directories(root);
  fill(tree, root);
  return root;
}

void RunMounts::bind(const RunMount& item, const RunTree& tree, int number) {
  const fs::path root = show(tree, work_ / ("mount" + std::to_string(number)));
  // Links are followed inside the tree, as in the image.
  oci::MergedTree files;
  if (tree.taken)
    files.apply(*tree.taken, "the context");
  else
    files = tree.image.merged();
  const auto path = files.resolve(path_in_root(item.source), true);
  if (!path || files.find(*path) == nullptr)
    throw Error(fmt::format("--mount: the source \"{}\" does not exist{}", item.source,
                            item.mount.from.empty() ? "" : " in " + item.mount.from),
                {.hint = "name a path in the context (after .dockerignore) or in the stage"});
  mounts_.push_back({.target = item.target,
                     .source = (root / *path).native(),
                     .options = {"rbind", item.mount.read_only ? "ro" : "rw"}});
}

// The directory of a cache: its contents in numbered directories, a lock for each, and its name for people.
fs::path RunMounts::cache_place(const RunMount& item, const RunTree* tree) {
  const Mount& mount = item.mount;
  // Without an id it is the target as it is written: a relative one is the same cache in each WORKDIR.
  const fs::path written = fs::path(mount.target).lexically_normal();
  const fs::path named = written.has_filename() || written == "/" ? written : written.parent_path();
  const std::string default_id = named.empty() ? "." : named.native();
  std::string identity =
      fmt::format("cache {} {} {} {:o}", escape_word(mount.id.empty() ? default_id : mount.id),
                  mount.uid.value_or(0), mount.gid.value_or(0), mount.mode.value_or(0755));
  if (tree != nullptr && tree->taken) identity += " " + tree->taken->digest().hex();
  if (tree != nullptr && !tree->taken)
    identity += " " + chain_digest(tree->image, tree->image.layers.size()).hex();
  fs::path place =
      context_.place / "cache" / cache_owner(id_mapping_, user_) / sha256(identity).hex().substr(0, 32);
  make_directories(place);
  // Its time says when the cache was used.
  if (fs::exists(place / "id")) {
    touch(place / "id");
  } else {
    // By way of this run's own directory: others may be at it too.
    const fs::path fresh = work_ / "id";
    write_file(fresh, identity + "\n", Durable::no);
    fs::rename(fresh, place / "id");
  }
  return place;
}

// Takes the locks of all caches that are shared with others. In one order everywhere, and each once, so that
// instructions that use the same caches cannot deadlock.
void RunMounts::lock_caches(const RunRequest& request) {
  std::map<fs::path, bool> places;  // whether for us alone
  for (std::size_t i = 0; i < request.mounts.size(); ++i) {
    const Mount& mount = request.mounts[i].mount;
    if (mount.type != Mount::Type::cache || mount.sharing == Mount::Sharing::exclusive) continue;
    const auto& tree = context_.mounts.at(i);
    bool& is_alone = places[cache_place(request.mounts[i], tree ? &*tree : nullptr)];
    // Without mounts it can only be in one place.
    is_alone = is_alone || mount.sharing == Mount::Sharing::locked || !can_mount_;
  }
  for (const auto& [place, is_alone] : places)
    locks_.emplace_back(place / "0.lock", is_alone ? FileLock::Mode::exclusive : FileLock::Mode::shared);
}

void RunMounts::cache(const RunMount& item, const RunTree* tree) {
  const Mount& mount = item.mount;
  const fs::path place = cache_place(item, tree);
  // The directory of the number: 0, and more if several instructions use a private one at once.
  std::string number = "0";
  for (int i = 0; mount.sharing == Mount::Sharing::exclusive; ++i) {
    number = std::to_string(i);
    auto lock = FileLock::try_lock(place / (number + ".lock"), FileLock::Mode::exclusive);
    if (!lock) continue;
    locks_.push_back(std::move(*lock));
    break;
  }
  const fs::path data = place / number;
  {
    const FileLock making(place / "making.lock", FileLock::Mode::exclusive);
    if (!fs::exists(data)) {
      const fs::path fresh = work_ / ("cache" + std::to_string(mounts_.size()));
      fs::create_directories(fresh);
      if (tree != nullptr)
        fill(*tree, fresh);
      else
        own(fresh, mount.uid.value_or(0), mount.gid.value_or(0), mount.mode.value_or(0755));
      fs::rename(fresh, data);
    }
  }
  const fs::path source = tree == nullptr ? data : below_cache(data, item.source);
  mounts_.push_back({.target = item.target,
                     .source = source.native(),
                     .options = {"rbind", mount.read_only ? "ro" : "rw"}});
}

// A directory of a cache. Commands have made what is in it and others may be running there now, so it is the
// directory itself that is mounted and no path to it.
fs::path RunMounts::below_cache(const fs::path& data, const std::string& source) {
  const Fd top = open_for_reading(data, O_DIRECTORY);
  Fd found;
  try {
    const std::string path = resolve_in_root(data, source);
    found = open_beneath(top.get(), path, O_RDONLY | O_DIRECTORY, data.native());
    if (!can_mount_) return path.empty() ? data : data / path;
  } catch (const Error& error) {
    throw Error(
        fmt::format("--mount: cannot mount the source \"{}\" of the cache: {}", source, error.message()));
  }
  const fs::path place = work_ / ("source" + std::to_string(mounts_.size()));
  fs::create_directories(place);
  points_.emplace_back("/proc/self/fd/" + std::to_string(found.get()), place, "bind", MS_BIND | MS_REC, "");
  return place;
}

void RunMounts::tmpfs(const RunMount& item) {
  // As runc makes it: like the directory that it hides, whatever the runtime is.
  const auto path = context_.tree.resolve(path_in_root(item.target), true);
  const auto* hidden = path ? context_.tree.find(*path) : nullptr;
  const bool is_directory = hidden != nullptr && hidden->inode->type == oci::EntryType::directory;
  std::vector<std::string> options{"nosuid", "nodev",
                                   fmt::format("mode={:o}", is_directory ? hidden->inode->mode : 01777)};
  if (item.mount.read_only) options.emplace_back("ro");
  if (item.mount.size > 0) options.push_back("size=" + std::to_string(item.mount.size));
  mounts_.push_back({.target = item.target, .type = "tmpfs", .source = "tmpfs", .options = options});
}

void RunMounts::secret(const RunMount& item, int number) {
  const Mount& mount = item.mount;
  const std::string& id = mount.id;
  const image::SecretSpec* found = nullptr;
  for (const image::SecretSpec& secret : context_.secrets)
    if (secret.id == id) found = &secret;
  if (found == nullptr) {
    if (!mount.required) return;
    throw Error(fmt::format("the secret \"{}\" is required", id),
                {.hint = fmt::format(
                     "set SECRETS {}=env:NAME or {}=file:PATH (bottle-image build: --secret id={},src=FILE)",
                     id, id, id)});
  }
  std::string value;
  if (found->is_variable) {
    const auto variable = environment::find_named(found->value);
    if (!variable)
      throw Error(fmt::format("the secret \"{}\" requires the environment variable {}, which is not set", id,
                              found->value));
    value = *variable;
  } else {
    value = read_file(found->value, 500u << 10);
  }
  if (mount.env) environment_.push_back(*mount.env + "=" + value);
  if (item.target.empty()) return;
  const fs::path file = secret_ / ("secret" + std::to_string(number));
  write_file(file, value, Durable::no);
  own(file, mount.uid.value_or(0), mount.gid.value_or(0), mount.mode.value_or(0400) & 0777);
  mounts_.push_back({.target = item.target,
                     .source = file.native(),
                     .options = {"bind", "ro", "nosuid", "nodev", "noexec"}});
}

void RunMounts::ssh(const RunMount& item, int number) {
  const Mount& mount = item.mount;
  const std::string target =
      item.target.empty() ? "/run/buildkit/ssh_agent." + std::to_string(number) : item.target;
  // Also without the agent, as with BuildKit.
  if (number == 0) environment_.push_back("SSH_AUTH_SOCK=" + target);
  const std::string id = mount.id.empty() ? "default" : mount.id;
  std::string agent = id == "default" ? environment::value(environment::kSshAuthSock) : "";
  for (const image::SshSpec& given : context_.agents)
    if (given.id == id) agent = given.socket;
  struct stat status {};
  const bool is_there = !agent.empty() && ::stat(agent.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
  if (!is_there) {
    if (!mount.required) return;
    const std::string found = agent.empty() ? "there is none" : agent + " is not a socket";
    throw Error(fmt::format("the ssh agent \"{}\" is required: {}", id, found),
                {.hint = id == "default" ? "start an agent: eval $(ssh-agent); ssh-add"
                                         : fmt::format("add --ssh {}=SOCKET to bottle-image build", id)});
  }
  agents_.push_back(std::make_unique<AgentRelay>(
      agent, secret_, "agent" + std::to_string(number), [&](const fs::path& path) {
        own(path, mount.uid.value_or(0), mount.gid.value_or(0), mount.mode.value_or(0600) & 0777);
      }));
  mounts_.push_back({.target = target,
                     .source = agents_.back()->socket().native(),
                     .options = {"bind", "rw", "nosuid", "nodev", "noexec"}});
}

}  // namespace bottle::run
