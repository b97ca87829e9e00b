// SPDX-License-Identifier: Apache-2.0
#include "util/file.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "util/error.hpp"
#include "util/obstacle.hpp"

namespace bottle {
namespace {

// Walks `relative` a component at a time, for kernels without openat2 (before 5.6) and sandboxes that forbid
// it.
int open_by_component(int root, std::string_view relative, int flags) {
  Fd directory;
  int at = root;
  std::size_t begin = 0;
  while (true) {
    const std::size_t slash = relative.find('/', begin);
    const std::string component(relative.substr(begin, slash - begin));
    if (component == "..") {
      errno = EXDEV;
      return -1;
    }
    if (slash == std::string_view::npos) return openat(at, component.c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
    const int next = openat(at, component.empty() ? "." : component.c_str(),
                            O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) return -1;
    directory = Fd(next);
    at = next;
    begin = slash + 1;
  }
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    descriptor_ = other.release();
  }
  return *this;
}

int Fd::release() {
  const int descriptor = descriptor_;
  descriptor_ = -1;
  return descriptor;
}

void Fd::reset() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Fd open_for_reading(const fs::path& path, int extra_flags) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | extra_flags));
  if (!file) throw_errno("cannot open", path.native());
  return file;
}

Fd open_beneath(int root, std::string_view relative, int flags, std::string_view root_name) {
  const std::string path(relative.empty() ? "." : relative);
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  int descriptor = static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
  if (descriptor < 0 && (errno == ENOSYS || errno == EPERM))
    descriptor = open_by_component(root, path, flags);
  if (descriptor < 0) throw_errno("cannot open", std::string(root_name) + "/" + path);
  return Fd(descriptor);
}

std::size_t read_some(int descriptor, std::span<std::byte> data, std::string_view name) {
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t count = ::read(descriptor, data.data() + done, data.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot read", name);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

std::size_t pread_some(int descriptor, std::span<std::byte> data, std::uint64_t offset,
                       std::string_view name) {
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t count =
        ::pread(descriptor, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot read", name);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void write_all(int descriptor, std::span<const std::byte> data, std::string_view name) {
  while (!data.empty()) {
    const ssize_t count = ::write(descriptor, data.data(), data.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_errno("cannot write", name);
    data = data.subspan(static_cast<std::size_t>(count));
  }
}

void write_all(int descriptor, std::string_view text, std::string_view name) {
  write_all(descriptor, std::as_bytes(std::span(text)), name);
}

struct stat stat_of(int descriptor, std::string_view name) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_errno("cannot stat", name);
  return status;
}

namespace {

std::string read_all(const Fd& file, const fs::path& path, std::uint64_t limit) {
  const struct stat status = stat_of(file.get(), path.native());
  if (S_ISDIR(status.st_mode)) throw_errno("cannot read", path.native(), EISDIR);
  std::string text;
  // The size is a hint only: /proc files say 0 and a file may grow while it is read.
  std::size_t capacity = status.st_size > 0 ? static_cast<std::size_t>(status.st_size) + 1 : 64u << 10;
  while (true) {
    if (capacity > limit + 1) capacity = static_cast<std::size_t>(limit) + 1;
    const std::size_t old = text.size();
    text.resize(capacity);
    const std::size_t count =
        read_some(file.get(), std::as_writable_bytes(std::span(text).subspan(old)), path.native());
    text.resize(old + count);
    if (text.size() > limit)
      throw Error("the file is larger than the limit of " + std::to_string(limit) + " bytes for its kind",
                  {.where = path.native()});
    if (text.size() < capacity) return text;
    capacity *= 2;
  }
}

}  // namespace

std::string read_file(const fs::path& path, std::uint64_t limit) {
  return read_all(open_for_reading(path), path, limit);
}

std::optional<std::string> read_file_if_exists(const fs::path& path, std::uint64_t limit) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw_errno("cannot open", path.native());
  }
  return read_all(file, path, limit);
}

void make_directories(const fs::path& path) {
  if (path.empty()) return;
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw_no_directory(path, error.value());
}

void write_file(const fs::path& path, std::string_view text, Durable durable) {
  AtomicFile file(path, 0666, durable);
  file.write(text);
  file.commit();
}

bool has_content(const fs::path& path, std::string_view text) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) != text.size())
    return false;
  const Fd file = open_for_reading(path);
  std::vector<std::byte> buffer(std::min<std::size_t>(text.size() + 1, 256u << 10));
  while (true) {
    const std::size_t count = read_some(file.get(), buffer, path.native());
    if (count > text.size() || std::memcmp(buffer.data(), text.data(), count) != 0) return false;
    text.remove_prefix(count);
    if (count < buffer.size()) return text.empty();
  }
}

bool write_file_if_changed(const fs::path& path, std::string_view text) {
  if (has_content(path, text)) return false;
  write_file(path, text, Durable::contents);
  return true;
}

void touch(const fs::path& path) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
  Fd file(::open(path.c_str(), kFlags, 0666));
  if (!file && errno == ELOOP) return write_file(path, "", Durable::no);  // in place of a link
  if (!file) {
    const int error = errno;
    if (remove_obstacle("cannot create", path)) file = Fd(::open(path.c_str(), kFlags, 0666));
    if (!file) throw_errno("cannot create", path.native(), error);
  }
  if (::futimens(file.get(), nullptr) != 0) throw_errno("cannot set the time of", path.native());
}

void copy_range(int from, std::uint64_t from_offset, int to, std::uint64_t to_offset, std::uint64_t length,
                std::string_view name) {
  while (length > 0) {
    auto in = static_cast<loff_t>(from_offset);
    auto out = static_cast<loff_t>(to_offset);
    const ssize_t count =
        ::copy_file_range(from, &in, to, &out, std::min<std::uint64_t>(length, 1u << 30), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO)) throw_errno("cannot write", name);
    if (count <= 0) break;
    from_offset += static_cast<std::uint64_t>(count);
    to_offset += static_cast<std::uint64_t>(count);
    length -= static_cast<std::uint64_t>(count);
  }
  // Not every pair of file systems can copy in the kernel: read and write continue where it stopped.
  std::vector<std::byte> buffer(length > 0 ? std::min<std::uint64_t>(length, 1u << 20) : 0);
  while (length > 0) {
    const std::span<std::byte> part = std::span(buffer).first(std::min<std::uint64_t>(length, buffer.size()));
    const std::size_t count = pread_some(from, part, from_offset, name);
    if (count == 0) throw Error("the file became shorter while it was copied", {.where = std::string(name)});
    for (std::size_t done = 0; done < count;) {
      const ssize_t written =
          ::pwrite(to, buffer.data() + done, count - done, static_cast<off_t>(to_offset + done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw_errno("cannot write", name);
      done += static_cast<std::size_t>(written);
    }
    from_offset += count;
    to_offset += count;
    length -= count;
  }
}

}  // namespace bottle
