// SPDX-License-Identifier: Apache-2.0
// A file put in another's place without waiting for the disk.
#pragma once

#include "util/file.hpp"

namespace bottle {

// rename(2), errno included, but that the bytes of `from` may still be unwritten after a power failure where
// a file was replaced. Some file systems else begin to write them at once, and that takes milliseconds on a
// busy disk (ext4, auto_da_alloc: for rename, not where two names are exchanged). At each moment there is one
// of the two files at `to`; a process that is killed may leave the old one at `from`.
int rename_unflushed(const fs::path& from, const fs::path& to);

}  // namespace bottle
