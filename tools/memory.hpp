// For tools that end soon.
#pragma once

#include <malloc.h>

namespace bottle::tools {

// What is freed is used again, and not given back: the next text of some megabytes would bring each page in
// again.
inline void keep_memory() {
  (void)::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most there can be
  (void)::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  (void)::mallopt(M_TOP_PAD, 4 << 20);
}

}  // namespace bottle::tools
