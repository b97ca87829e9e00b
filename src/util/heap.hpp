// SPDX-License-Identifier: Apache-2.0
// How this process uses glibc's heap. BOTTLE_TUNE_HEAP=OFF, or another C library, leaves it as it is: results
// are the same, builds of many files take longer and more memory (docs/performance.md).
#pragma once

namespace bottle {

// For a tool that ends soon; before there are threads. What is freed is used again, and not given back: the
// next text of some megabytes would bring each page in again. Threads share `heaps` heaps: glibc gives each a
// separate one, which keeps what it once held, so that where one thread frees what another made they grow to
// the size that one would need each.
//
// After its first megabytes the heap comes in pages of 2 MiB. Faulting in the 50 MiB for 20,000 files in
// pages of 4 KiB is a fifth of what bottle-image takes. Only addresses are reserved: memory is taken where it
// is written to, and small builds end before the first of these pages.
void tune_heap(int heaps);

// Gives what is free back to the system, where that is worth the time.
void trim_heap();

}  // namespace bottle
