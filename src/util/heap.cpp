// SPDX-License-Identifier: Apache-2.0
#include "util/heap.hpp"

#include <stdlib.h>  // defines __GLIBC__

#if defined(BOTTLE_TUNE_HEAP) && defined(__GLIBC__)
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace bottle {
namespace {

// NOLINTBEGIN(concurrency-mt-unsafe): before there are threads.

constexpr int kTopPad = 4 << 20;

void use_huge_pages() {
#ifdef MADV_HUGEPAGE
  constexpr std::uintptr_t kPage = 2u << 20;
  constexpr int kReserve = 128 << 20;
  const auto first = reinterpret_cast<std::uintptr_t>(::sbrk(0));
  (void)::mallopt(M_TOP_PAD, kReserve);
  // More than is there, so that the heap grows, by this and the reserve. Volatile, for a compiler may leave
  // out what is only freed.
  void* volatile grown = std::malloc(1u << 20);
  std::free(grown);
  (void)::mallopt(M_TOP_PAD, kTopPad);
  const auto end = static_cast<std::byte*>(::sbrk(0));
  const auto last = reinterpret_cast<std::uintptr_t>(end);
  // Another malloc() or a limit may have kept it from growing.
  const std::uintptr_t begin = (first + 2 * kPage - 1) / kPage * kPage;
  if (last > begin) (void)::madvise(end - (last - begin), last - begin, MADV_HUGEPAGE);
#endif
}

}  // namespace

void tune_heap(int heaps) {
  (void)::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most there can be
  (void)::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  (void)::mallopt(M_TOP_PAD, kTopPad);
  (void)::mallopt(M_ARENA_MAX, heaps);
  use_huge_pages();
}

// NOLINTEND(concurrency-mt-unsafe)

void trim_heap() {
  ::malloc_trim(0);
}

}  // namespace bottle

#else

namespace bottle {

void tune_heap(int /*heaps*/) {}

void trim_heap() {}

}  // namespace bottle

#endif
