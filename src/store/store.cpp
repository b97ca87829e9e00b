// SPDX-License-Identifier: Apache-2.0
#include "store/store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>

#include "store/action_file.hpp"
#include "store/shared.hpp"
#include "util/account.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/json.hpp"
#include "util/text.hpp"

namespace bottle::store {
namespace {

// https://bford.info/cachedir/ : the first 43 bytes are the signature that backup programs look for.
constexpr std::string_view kCacheTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This directory is a cache made by Bottle (bottle-cache stats). It may be deleted when no build "
    "runs.\n";

fs::path home_directory() {
  if (const std::string home = environment::value(environment::kHome); !home.empty()) return home;
  // Containers and service managers often run without HOME.
  if (const auto account = user_account(); account && account->home.starts_with('/')) return account->home;
  throw Error("cannot choose a directory for the store: HOME is not set and user " +
                  std::to_string(::getuid()) + " has no home directory",
              {.hint = "set BOTTLE_CACHE_DIR to a directory"});
}

// For a store that may not be written to: an existing lock can still be held through a descriptor for
// reading.
std::optional<FileLock> share(const fs::path& path) {
  try {
    if (auto lock = FileLock::try_lock(path, FileLock::Mode::shared)) return lock;
    std::fputs("bottle: waiting for a collection of the store to finish\n", stderr);
    return FileLock(path, FileLock::Mode::shared);
  } catch (const Error&) {
    if (::access(path.parent_path().c_str(), W_OK) == 0) throw;
    return std::nullopt;
  }
}

enum class Mtime { keep, move };

void mark_used(const fs::path& path, std::time_t last, Mtime mtime) {
  const std::time_t now = ::time(nullptr);
  if (last <= now && now - last < kUseResolution) return;
  const timespec times[2] = {{now, 0}, {now, mtime == Mtime::keep ? UTIME_OMIT : 0}};
  // Not allowed in a store that cannot be written to, where the order of use does not matter.
  (void)::utimensat(AT_FDCWD, path.c_str(), times, 0);
}

std::string short_name(const Digest& digest) {
  return digest.hex().substr(0, 12);
}

}  // namespace

Store::Store(fs::path directory)
    : directory_(std::move(directory)), shared_(std::make_shared<Shared>(directory_)) {}

fs::path Store::default_directory() {
  if (const std::string directory = environment::value(environment::kCacheDir); !directory.empty())
    return fs::absolute(directory);
  // Relative paths in XDG_CACHE_HOME must be ignored (XDG base directory specification).
  const std::string cache = environment::value(environment::kXdgCacheHome);
  if (cache.starts_with('/')) return fs::path(cache) / "bottle";
  return home_directory() / ".cache" / "bottle";
}

namespace {

std::optional<mode_t> configured_umask() {
  const std::string text = environment::value(environment::kCacheUmask);
  if (text.empty()) return std::nullopt;
  const auto value = parse_unsigned(text, 8);
  if (!value || *value > 0777)
    throw UsageError("invalid umask \"" + text + "\": expected an octal number up to 777",
                     {.where = "BOTTLE_CACHE_UMASK",
                      .hint = "set BOTTLE_CACHE_UMASK=002 for a store that a group shares"});
  return static_cast<mode_t>(*value);
}

void make_root(const fs::path& root, mode_t mode, bool is_exact) {
  std::error_code error;
  fs::create_directories(root.parent_path(), error);
  const bool is_new = !error && ::mkdir(root.c_str(), mode) == 0;
  if (!error && !is_new)
    error = errno != EEXIST          ? std::error_code(errno, std::generic_category())
            : fs::is_directory(root) ? std::error_code()
                                     : std::make_error_code(std::errc::not_a_directory);
  if (is_new && is_exact && ::chmod(root.c_str(), mode) != 0)
    throw_errno("cannot set the permissions of the store", root.native());
  if (!error) return;
  if (error == std::errc::no_space_on_device)
    throw_errno("cannot create the store", root.native(), error.value());
  throw Error("cannot create the store: " + error.message(),
              {.where = root.native(), .hint = "set BOTTLE_CACHE_DIR to a writable directory"});
}

// Without BOTTLE_CACHE_UMASK a store belongs to its user only; an older store may have other permissions.
void make_private(const fs::path& root) {
  struct stat status {};
  if (::stat(root.c_str(), &status) != 0 || status.st_uid != ::geteuid() || (status.st_mode & 077) == 0)
    return;
  if (::chmod(root.c_str(), status.st_mode & 07700) != 0)
    throw_errno("cannot set the permissions of the store", root.native());
}

// What other rooms make directories in, and the lock, must be there for others before they do.
void share_directories(const Shared& shared) {
  const fs::path& root = shared.layout.root();
  for (const char* name : {"tombstones", "roots", "stat", "snapshots", "cache", "run"})
    shared.make_directory(root / name);
  // Only the owner of the file may change its mode, and the owner has done so.
  (void)::chmod(shared.layout.lock().c_str(), shared.masked(0666));
}

bool is_writable(const Layout& layout) {
  for (const fs::path& part :
       {layout.root(), layout.blobs(), layout.actions(), layout.temporaries(), layout.tombstones()})
    if (::access(part.c_str(), W_OK) != 0 && errno != ENOENT) return false;
  return true;
}

}  // namespace

Store Store::open(const fs::path& directory) {
  Store store(directory.empty() ? default_directory() : fs::absolute(directory).lexically_normal());
  Shared& shared = *store.shared_;
  shared.umask = configured_umask();
  const fs::path root = shared.layout.root();
  const bool is_default =
      directory.empty() && environment::value(environment::kCacheDir).empty() && !shared.umask;
  make_root(root, is_default ? mode_t{0700} : shared.masked(0777), shared.umask.has_value());
  if (is_default) make_private(root);
  shared.lock = share(shared.layout.lock());
  if (!is_writable(shared.layout)) {
    shared.write_elsewhere();
    store.directory_ = shared.layout.root();
    return store;
  }
  const Layout& layout = shared.layout;
  for (const fs::path& part : {layout.blobs(), layout.actions(), layout.temporaries()})
    shared.make_directory(part);
  if (shared.umask) share_directories(shared);
  const fs::path tag = root / "CACHEDIR.TAG";
  if (!fs::exists(tag)) shared.write(tag, kCacheTag);
  return store;
}

fs::path Store::work_directory(const std::vector<std::string>& parts) const {
  shared_->prepare_aside(false);
  for (const std::string& part : parts) {
    fs::path path = directory_ / part;
    while (::access(path.c_str(), F_OK) != 0 && errno == ENOENT && path != directory_)
      path = path.parent_path();
    if (::access(path.c_str(), W_OK | X_OK) == 0) continue;
    if (shared_->below) break;
    shared_->note_unwritable(path);
    shared_->prepare_aside(true);
    return shared_->aside->root();
  }
  return directory_;
}

fs::path Store::blob_path(const Digest& digest) const {
  return shared_->blob(digest);
}

std::optional<fs::path> Store::find_blob(const Digest& digest) const {
  fs::path path = blob_path(digest);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return std::nullopt;
    throw_errno("cannot read", path.native());
  }
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  // A build tree may hold a blob as a hard link: Ninja and Make must not see its mtime move.
  mark_used(path, std::max(status.st_atim.tv_sec, status.st_mtim.tv_sec), Mtime::keep);
  return path;
}

namespace {

// Why something is not there, told by its tombstone.
Store::Lookup absent(const Shared& shared, const Digest& id) {
  fs::path path = shared.layout.tombstone(id);
  if (shared.below && !fs::exists(path)) path = shared.below->tombstone(id);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const std::optional<std::string> text = read_file_if_exists(path, kActionLimit);
  if (!text) return {};
  const std::string when = utc_time(status.st_mtim.tv_sec);
  if (const auto reason = parse_damaged_tombstone(*text))
    return {Presence::damaged, std::nullopt, "found damaged on " + when + ": " + *reason};
  return {Presence::evicted, std::nullopt, "evicted on " + when + " by bottle-cache gc"};
}

}  // namespace

Store::Lookup Store::find_action(const Digest& key) const {
  const fs::path path = shared_->action(key);
  const Fd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const auto damaged = [&](const std::string& problem) -> Lookup {
    drop_damaged_action(key, problem);
    return {Presence::damaged, std::nullopt, problem};
  };
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return absent(*shared_, key);
    if (errno == ELOOP) return damaged("a link to itself");
    throw_errno("cannot read", path.native());
  }
  const struct stat status = stat_of(file.get(), path.native());
  if (!S_ISREG(status.st_mode)) return damaged("not a file");
  if (static_cast<std::uint64_t>(status.st_size) > kActionLimit)
    return damaged("the file has " + std::to_string(status.st_size) + " bytes");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  text.resize(read_some(file.get(), std::as_writable_bytes(std::span(text)), path.native()));
  ParsedAction parsed = parse_action(key, text);
  if (!parsed.result) {
    if (parsed.other_version) return {Presence::never, std::nullopt, parsed.problem};
    return damaged(parsed.problem);
  }
  for (const auto& [name, output] : parsed.result->outputs) {
    struct stat blob {};
    if (::stat(shared_->blob(output.digest).c_str(), &blob) != 0) {
      Lookup why = absent(*shared_, output.digest);
      if (why.presence == Presence::never) {
        why.presence = Presence::evicted;
        why.detail = "its blob has been deleted";
      }
      why.detail = "output " + name + " (" + output.digest.string() + "): " + why.detail;
      return why;
    }
    if (static_cast<std::uint64_t>(blob.st_size) != output.size || !S_ISREG(blob.st_mode)) {
      const std::string problem = !S_ISREG(blob.st_mode) ? "not a file"
                                                         : std::to_string(blob.st_size) + " bytes found, " +
                                                               std::to_string(output.size) + " expected";
      drop_damaged_blob(output.digest, problem);
      return {Presence::damaged, std::nullopt,
              "output " + name + " (" + output.digest.string() + "): " + problem};
    }
  }
  mark_used(path, status.st_mtim.tv_sec, Mtime::move);
  return {Presence::present, std::move(parsed.result), {}};
}

void Store::put_action(const Digest& key, const ActionResult& result) const {
  const Layout& layout = shared_->layout;
  shared_->write(layout.action(key), serialize_action(key, result));
  ::unlink(layout.tombstone(key).c_str());
}

namespace {

// Removing and remembering are attempts: what cannot be written to is reported and otherwise left.
void drop(Shared& shared, const fs::path& path, const Digest& id, const std::string& what,
          const std::string& reason) {
  const bool removed =
      ::unlink(path.c_str()) == 0 || errno == ENOENT || (errno == EISDIR && ::rmdir(path.c_str()) == 0);
  if (!removed) shared.disregard(id);
  bool remembered = true;
  try {
    shared.write(shared.layout.tombstone(id), damaged_tombstone(reason));
  } catch (const Error&) {
    remembered = false;
  }
  {
    const std::lock_guard lock(shared.mutex);
    if (!shared.reported.insert(id).second) return;
  }
  const std::string text = path.native() + ": warning: " + what + " " + short_name(id) +
                           " is damaged: " + reason +
                           (!removed      ? "; it cannot be removed from the store, and is ignored\n"
                            : !remembered ? "; removed\n"
                                          : "; removed, and rebuilt when needed\n");
  std::fputs(text.c_str(), stderr);
}

}  // namespace

void Store::drop_damaged_blob(const Digest& digest, const std::string& reason) const {
  drop(*shared_, shared_->blob(digest), digest, "blob", reason);
}

void Store::drop_damaged_action(const Digest& key, const std::string& reason) const {
  drop(*shared_, shared_->action(key), key, "action", reason);
}

}  // namespace bottle::store
