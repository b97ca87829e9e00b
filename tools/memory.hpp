// For tools that end soon.
#pragma once

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace bottle::tools {

// What is freed is used again, and not given back: the next text of some megabytes would bring each page in
// again.
inline void keep_memory() {
  (void)::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most there can be
  (void)::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  (void)::mallopt(M_TOP_PAD, 4 << 20);
  // What one thread has freed another uses: 15 MiB less with 200,000 files, and no slower.
  (void)::mallopt(M_ARENA_MAX, 2);
}

// Has the heap, after its first megabytes, come in pages of 2 MiB. Bringing in the 50 MiB for 20,000 files in
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
  const auto last = reinterpret_cast<std::uintptr_t>(::sbrk(0));
  // Another malloc() or a limit may have kept it from growing.
  const std::uintptr_t begin = (first + 2 * kPage - 1) / kPage * kPage;
  if (last > begin) (void)::madvise(reinterpret_cast<void*>(begin), last - begin, MADV_HUGEPAGE);
#endif
}

}  // namespace bottle::tools
