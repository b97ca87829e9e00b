// SPDX-License-Identifier: Apache-2.0
// Preloaded into a tool under test: something goes wrong at its n-th system call that changes a file.
//
//   BOTTLE_FAULT="<what>:<n>"   n from 1; <what> is kill or int, that signal before the call, or full: from
//                               then on each call that needs space fails with ENOSPC, as on a full disk
//   BOTTLE_FAULT_COUNT=<file>   at exit the number of such calls is written there
//
// The calls are told by the names of the C library's functions, the plain ones and those for large files: so
// this file is compiled without _FILE_OFFSET_BITS.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <string>

namespace {

enum class Needs { nothing, space };

std::atomic<long> calls{0};

// Called before each call that changes a file. True: it must fail.
bool fails(Needs needs) {
  static const std::string fault = getenv("BOTTLE_FAULT") != nullptr ? getenv("BOTTLE_FAULT") : "";
  static const std::size_t colon = fault.find(':');
  static const long moment = colon == std::string::npos ? 0 : atol(fault.c_str() + colon + 1);
  const long call = calls.fetch_add(1) + 1;
  if (moment == 0 || call < moment) return false;
  if (call == moment && fault.starts_with("kill")) kill(getpid(), SIGKILL);
  if (call == moment && fault.starts_with("int")) kill(getpid(), SIGINT);
  if (needs == Needs::nothing || !fault.starts_with("full")) return false;
  errno = ENOSPC;
  return true;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

bool creates(int flags) {
  return (flags & (O_CREAT | O_TRUNC)) != 0;
}

struct CountWriter {
  ~CountWriter() {
    const char* path = getenv("BOTTLE_FAULT_COUNT");
    FILE* file = path != nullptr ? fopen(path, "w") : nullptr;
    if (file == nullptr) return;
    fprintf(file, "%ld\n", calls.load());
    fclose(file);
  }
} count_writer;

}  // namespace

// NAME(result, name, needs, (parameters), (arguments)): counts, fails or passes on.
#define COUNTED(result, name, needs, parameters, arguments)                \
  extern "C" result name parameters {                                      \
    static const auto real = next<result parameters>(#name);               \
    return fails(Needs::needs) ? static_cast<result>(-1) : real arguments; \
  }

#define COUNTED_OPEN(name, head, arguments)         \
  extern "C" int name head {                        \
    mode_t mode = 0;                                \
    if (creates(flags)) {                           \
      va_list list;                                 \
      va_start(list, flags);                        \
      mode = va_arg(list, mode_t);                  \
      va_end(list);                                 \
      if (fails(Needs::space)) return -1;           \
    }                                               \
    static const auto real = next<int head>(#name); \
    return real arguments;                          \
  }

COUNTED_OPEN(open, (const char* path, int flags, ...), (path, flags, mode))
COUNTED_OPEN(open64, (const char* path, int flags, ...), (path, flags, mode))
COUNTED_OPEN(openat, (int directory, const char* path, int flags, ...), (directory, path, flags, mode))
COUNTED_OPEN(openat64, (int directory, const char* path, int flags, ...), (directory, path, flags, mode))

extern "C" ssize_t write(int file, const void* data, size_t size) {
  static const auto real = next<ssize_t(int, const void*, size_t)>("write");
  return file > 2 && fails(Needs::space) ? -1 : real(file, data, size);
}

COUNTED(ssize_t, pwrite, space, (int file, const void* data, size_t size, off_t at), (file, data, size, at))
COUNTED(ssize_t, pwrite64, space, (int file, const void* data, size_t size, off64_t at),
        (file, data, size, at))
COUNTED(ssize_t, copy_file_range, space,
        (int in, off64_t* in_at, int out, off64_t* out_at, size_t size, unsigned flags),
        (in, in_at, out, out_at, size, flags))
COUNTED(int, ftruncate, nothing, (int file, off_t size), (file, size))
COUNTED(int, ftruncate64, nothing, (int file, off64_t size), (file, size))
COUNTED(int, fsync, nothing, (int file), (file))
COUNTED(int, fdatasync, nothing, (int file), (file))
COUNTED(int, mkdir, space, (const char* path, mode_t mode), (path, mode))
COUNTED(int, mkdirat, space, (int directory, const char* path, mode_t mode), (directory, path, mode))
COUNTED(int, link, space, (const char* from, const char* to), (from, to))
COUNTED(int, linkat, space, (int a, const char* from, int b, const char* to, int flags),
        (a, from, b, to, flags))
COUNTED(int, symlink, space, (const char* target, const char* path), (target, path))
COUNTED(int, symlinkat, space, (const char* target, int directory, const char* path),
        (target, directory, path))
COUNTED(int, rename, nothing, (const char* from, const char* to), (from, to))
COUNTED(int, renameat, nothing, (int a, const char* from, int b, const char* to), (a, from, b, to))
COUNTED(int, renameat2, nothing, (int a, const char* from, int b, const char* to, unsigned flags),
        (a, from, b, to, flags))
COUNTED(int, unlink, nothing, (const char* path), (path))
COUNTED(int, unlinkat, nothing, (int directory, const char* path, int flags), (directory, path, flags))
COUNTED(int, rmdir, nothing, (const char* path), (path))
COUNTED(int, fchmod, nothing, (int file, mode_t mode), (file, mode))
COUNTED(int, futimens, nothing, (int file, const timespec times[2]), (file, times))
COUNTED(int, utimensat, nothing, (int directory, const char* path, const timespec times[2], int flags),
        (directory, path, times, flags))
