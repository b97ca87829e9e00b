// SPDX-License-Identifier: Apache-2.0
// For tools that end soon.
#pragma once

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace bottle::tools {

// NOLINTBEGIN(concurrency-mt-unsafe): before there are threads.

// What is freed is used again, and not given back: the next text of some megabytes would bring each page in
// again. glibc gives each thread a separate heap, which keeps what it once held; where one thread frees what
// another made, they grow to the size that one would need each, so there are only `heaps`.
inline void keep_memory(int heaps) {
  (void)::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most there can be
  (void)::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  (void)::mallopt(M_TOP_PAD, 4 << 20);
  (void)::mallopt(M_ARENA_MAX, heaps);
}

// Has the heap, after its first megabytes, come in pages of 2 MiB. Faulting in the 50 MiB for 20,000 files in
// pages of 4 KiB is a fifth of what bottle-image takes. Only addresses are reserved here: memory is taken
// where it is written to, and small builds end before the first of these pages. After keep_memory().
inline void use_huge_pages() {
#ifdef MADV_HUGEPAGE
  constexpr std::uintptr_t kPage = 2u << 20;
  constexpr int kReserve = 128 << 20;
  const auto first = reinterpret_cast<std::uintptr_t>(::sbrk(0));
  (void)::mallopt(M_TOP_PAD, kReserve);
  // More than is there, so that the heap grows, by this and the reserve. Volatile, for a compiler may leave
  // out what is only freed.
  void* volatile grown = std::malloc(1u << 20);
  std::free(grown);
  (void)::mallopt(M_TOP_PAD, 4 << 20);
  const auto end = static_cast<std::byte*>(::sbrk(0));
  const auto last = reinterpret_cast<std::uintptr_t>(end);
  // Another malloc() or a limit may have kept it from growing.
  const std::uintptr_t begin = (first + 2 * kPage - 1) / kPage * kPage;
  if (last > begin) (void)::madvise(end - (last - begin), last - begin, MADV_HUGEPAGE);
#endif
}

// NOLINTEND(concurrency-mt-unsafe)

}  // namespace bottle::tools
