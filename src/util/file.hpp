// SPDX-License-Identifier: Apache-2.0
// Files and directories: descriptors that close themselves, reading with bounds, writing that is whole or not
// at all.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bottle {

namespace fs = std::filesystem;

// Owns a file descriptor; -1 is "none".
class Fd {
 public:
  Fd() = default;
  explicit Fd(int descriptor) : descriptor_(descriptor) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : descriptor_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  int get() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }
  int release();
  void reset();

 private:
  int descriptor_ = -1;
};

// Opens for reading with O_CLOEXEC; throws naming the path.
Fd open_for_reading(const fs::path& path, int extra_flags = 0);
// Opens `relative` below the directory `root`, following no symbolic link in any component and never leaving
// it (openat2 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, component-wise O_NOFOLLOW where the kernel lacks it).
// `root_name` is for messages. Throws when absent.
Fd open_beneath(int root, std::string_view relative, int flags, std::string_view root_name);

// Reads up to data.size() bytes; fewer only at the end of the file. EINTR is retried, errors throw naming
// `name`.
std::size_t read_some(int descriptor, std::span<std::byte> data, std::string_view name);
std::size_t pread_some(int descriptor, std::span<std::byte> data, std::uint64_t offset,
                       std::string_view name);
// Writes everything or throws naming `name`.
void write_all(int descriptor, std::span<const std::byte> data, std::string_view name);
void write_all(int descriptor, std::string_view text, std::string_view name);

// The whole file as a string; larger than `limit` bytes is an error that names the limit.
std::string read_file(const fs::path& path, std::uint64_t limit = 64u << 20);
// The same, or nullopt when it does not exist.
std::optional<std::string> read_file_if_exists(const fs::path& path, std::uint64_t limit = 64u << 20);

// Whether the file exists and holds exactly this; never in memory as a whole.
bool has_content(const fs::path& path, std::string_view text);

struct stat stat_of(int descriptor, std::string_view name);
void make_directories(const fs::path& path);

// What a power failure may do to a file that was replaced. no: anything. contents: restore the previous file
// as a whole. yes: nothing. Each grade costs one more wait for the disk.
enum class Durable { no, contents, yes };

// A file that appears under its name only when commit() is called: written to a temporary name in the same
// directory, flushed to disk unless Durable::no, renamed, and its directory flushed if Durable::yes. The
// destructor removes what was not committed; it
// never publishes. A temporary file that a SIGKILL left is named ".<name>.<pid>.<n>.tmp" and is removed by
// the next AtomicFile for that name when its process is gone.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path target, mode_t mode = 0666, Durable durable = Durable::yes);
  ~AtomicFile();
  AtomicFile(AtomicFile&&) = delete;
  int descriptor() const { return file_.get(); }
  const fs::path& temporary() const { return temporary_; }
  void write(std::string_view text) { write_all(file_.get(), text, target_.native()); }
  void write(std::span<const std::byte> data) { write_all(file_.get(), data, target_.native()); }
  void commit();

 private:
  fs::path target_;
  fs::path temporary_;
  Fd file_;
  Durable durable_;
};

void write_file(const fs::path& path, std::string_view text, Durable durable = Durable::yes);
// Writes only when the content differs, with Durable::contents; true when it wrote. The mtime of an unchanged
// file is left alone.
bool write_file_if_changed(const fs::path& path, std::string_view text);
// Creates the file or sets its times to now.
void touch(const fs::path& path);

// Copies `length` bytes between descriptors at their given offsets: copy_file_range, then read and write.
void copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t to_offset, std::uint64_t length,
                std::string_view name);
// Makes `to` hold what `from` holds, cheapest first: reflink, hard link, copy. Replaces `to` atomically.
void link_or_copy(const fs::path& from, const fs::path& to);

// An exclusive or shared flock on a file that is created and never removed. Waits; released by the
// destructor.
class FileLock {
 public:
  enum class Mode { shared, exclusive };
  FileLock(const fs::path& path, Mode mode);
  // nullopt if another process holds it.
  static std::optional<FileLock> try_lock(const fs::path& path, Mode mode);

 private:
  explicit FileLock(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

// A directory below the system's temporary directory (or `parent`), removed with all it holds by the
// destructor.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const fs::path& parent = {});
  ~TemporaryDirectory();
  TemporaryDirectory(TemporaryDirectory&&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace bottle
