// SPDX-License-Identifier: Apache-2.0
#include "util/replace.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace bottle {

int rename_unflushed(const fs::path& from, const fs::path& to) {
#ifdef RENAME_EXCHANGE
  const auto exchange = [&] {
    return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE);
  };
  if (exchange() == 0) {
    if (::unlink(from.c_str()) == 0 || errno == ENOENT) return 0;
    (void)exchange();  // a directory was there, which no file replaces
  }
  // Nothing is there yet, or the file system cannot do it.
#endif
  return ::rename(from.c_str(), to.c_str());
}

}  // namespace bottle
